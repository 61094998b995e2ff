-- Say that a replica lives, and hear which others do.
-- KEYS: members (sorted set by the time of their last word). ARGV: member ('' = only listen), how long a word holds ms.
-- Answers the live members in order of their names, each followed by when it said so.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
end
-- A word from the future was spoken by another clock: Redis was moved or restored.
local from, to = string.format('(%.0f', now - ARGV[2]), string.format('(%.0f', now + ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - 100 * ARGV[2]))
local live = redis.call('ZRANGEBYSCORE', KEYS[1], from, to, 'WITHSCORES')
local said, names, answer = {}, {}, {}
for i = 1, #live, 2 do
  names[#names + 1] = live[i]
  said[live[i]] = live[i + 1]
end
table.sort(names)
for _, name in ipairs(names) do
  answer[#answer + 1] = name
  answer[#answer + 1] = said[name]
end
return answer
