-- Renew a shard's lease. A lease that ran out is ours still while nobody took a newer epoch.
-- KEYS: lease, epoch. ARGV: owner, epoch, ttl ms. Answers 1 if it is ours, else 0.
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return 0
end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
