-- Store a shard's new events once, all in one entry.
-- KEYS: market stream, seen set, where snapshots stand (hash).
-- ARGV: max age ms, max entries, how much longer entries may wait for a snapshot ms, then per event: id bytes
-- ('' = none), keep ms, event.
-- Answers {stored, and the position of each event that was there already, from 0}.
local market, seen = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- What may be forgotten; bounded, so that no call stalls the server after a long pause.
local expired = redis.call('ZRANGEBYSCORE', seen, '-inf', string.format('%.0f', now), 'LIMIT', 0, 2000)
if #expired > 0 then
  redis.call('ZREM', seen, unpack(expired))
end

-- Which are new. They are marked as seen only once they are stored: a script that fails half-way is not rolled back,
-- and a second copy is better than none.
local fresh, marks, here, expiries, answer = {}, {}, {}, {}, {0}
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  if id ~= '' and (here[id] or redis.call('ZSCORE', seen, id)) then
    answer[#answer + 1] = (i - 4) / 3
  else
    fresh[#fresh + 1] = ARGV[i + 2]
    if id ~= '' then
      here[id] = true
      local keep = ARGV[i + 1]
      expiries[keep] = expiries[keep] or string.format('%.0f', now + keep)
      marks[#marks + 1] = expiries[keep]
      marks[#marks + 1] = id
    end
  end
end

local count = #fresh
if count == 1 then
  redis.call('XADD', market, 'MAXLEN', '~', ARGV[2], '*', 'e', fresh[1])
elseif count > 1 then
  local head
  if count < 16 then
    head = string.char(0x90 + count)
  else
    head = string.char(0xdc, math.floor(count / 256), count % 256)
  end
  redis.call('XADD', market, 'MAXLEN', '~', ARGV[2], '*', 'b', head .. table.concat(fresh))
end
if count > 0 then
  -- Not past the snapshot of an engine that kept one of late: what follows it would be missing after a restart.
  local oldest, wait = now - ARGV[1], tonumber(ARGV[3])
  for _, kept in ipairs(redis.call('HVALS', KEYS[3])) do
    local stands, at = kept:match('^(%d+)%-%d+ (%d+)$')
    if stands and tonumber(at) > now - wait then
      oldest = math.min(oldest, math.max(tonumber(stands), now - ARGV[1] - wait))
    end
  end
  redis.call('XTRIM', market, 'MINID', '~', string.format('%.0f', oldest))
end
if #marks > 0 then
  redis.call('ZADD', seen, unpack(marks))
end
answer[1] = count
return answer
