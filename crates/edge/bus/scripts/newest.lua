-- The newest entries of a stream, and what time it is here.
-- KEYS: stream. ARGV: the newest id to look at ('+' = any), how many. Answers {now ms, entries, newest first}.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return {now, redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])}
