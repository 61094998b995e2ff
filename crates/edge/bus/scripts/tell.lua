-- Tell a finding of a scope once, after the one that was told of it before.
-- KEYS: what was told of the scope (hash), alerts stream, where its readers stand (hash).
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
redis.call('XADD', KEYS[2], '*', 'e', ARGV[6])
trim_findings(KEYS[2], KEYS[3], ARGV[4], ARGV[5])
for i = 7, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], 'id', ARGV[2], 'finding', ARGV[3])
return 'done'
