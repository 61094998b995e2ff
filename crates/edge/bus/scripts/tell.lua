-- Tell a finding of a scope once, after the one that was told of it before.
-- KEYS: what was told of the scope (hash), alerts stream.
-- ARGV: id that was told before ('' = none), id, finding as JSON, max entries, max age ms, finding, then pairs of
-- channel and message.
-- Answers 'done', 'already_done' or 'cursor_moved' (another one was told meanwhile); only 'done' has written anything.
local before = redis.call('HGET', KEYS[1], 'id') or ''
if before == ARGV[2] then
  return 'already_done'
end
if before ~= ARGV[1] then
  return 'cursor_moved'
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('XTRIM', KEYS[2], 'MINID', '~', string.format('%.0f', now - ARGV[5]))
for i = 7, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], 'id', ARGV[2], 'finding', ARGV[3])
return 'done'
