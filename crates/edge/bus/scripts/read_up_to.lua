-- Say up to where a reader has read a shard's findings: commits do not trim past it while it was said of late.
-- KEYS: where readers stand (hash). ARGV: reader, id.
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. time[1])
return 1
