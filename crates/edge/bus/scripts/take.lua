-- Take a shard for an engine: a lease, and an epoch that fences whoever held it before.
-- KEYS: lease, epoch, cursor, state. ARGV: owner, ttl ms.
-- Answers {} if somebody else's lease is live, else {epoch, cursor ('' = none), snapshot ('' = none)}.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return {}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
-- Never below the time: it must not repeat after Redis restarted empty.
local epoch = string.format('%.0f', math.max(stored + 1, now))
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {epoch, redis.call('GET', KEYS[3]) or '', redis.call('GET', KEYS[4]) or ''}
