-- Write what the policy decided, all or nothing, if nobody has decided since the generation that it goes on from.
-- KEYS: policy (hash). ARGV: generation, writer, now, snapshot, count of history entries, those (JSON), then per decision
-- 'tell', row, destination, alert, lane, manner, reason, after ('' = none), due ms, expires ms, micro-dollars, body;
-- or 'suppress', row, destination, ending, reason; or 'withdraw', row, destination, reason.
-- Answers 1 if it is written, now or before by this writer, else 0.
local generation = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
local from = tonumber(ARGV[1])
if generation == from + 1 and redis.call('HGET', KEYS[1], 'writer') == ARGV[2] then
  return 1
end
if generation ~= from then
  return 0
end
local now = tonumber(ARGV[3])
local DECIDED, KEEP = tag .. 'decided', 90000000
local forgotten = redis.call('ZRANGEBYSCORE', DECIDED, '-inf', whole(wall - KEEP), 'LIMIT', 0, 2000)
if #forgotten > 0 then
  redis.call('ZREM', DECIDED, unpack(forgotten))
end
-- A script that fails half-way is not rolled back: the same again must not make a row twice.
local function is_new(row)
  return redis.call('ZADD', DECIDED, 'NX', whole(wall), row) == 1
end

local history = tonumber(ARGV[5])
local at = 6 + history
for i = 6, 5 + history do
  note_json(ARGV[i])
end
while ARGV[at] do
  local what, row, destination = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if what == 'tell' then
    if is_new(row) then
      redis.call('HSET', row_key(row), 'destination', destination, 'alert', ARGV[at + 3], 'lane', ARGV[at + 4],
        'manner', ARGV[at + 5], 'reason', ARGV[at + 6], 'after', ARGV[at + 7], 'due_ms', ARGV[at + 8],
        'expires_ms', ARGV[at + 9], 'usd', ARGV[at + 10], 'body', ARGV[at + 11], 'attempts', 0, 'claim', '')
      redis.call('ZADD', open_key(destination), ARGV[at + 9], row)
      wait_in(destination, ARGV[at + 4], row, ARGV[at + 8])
      count('produced', destination, 1)
    end
    at = at + 12
  elseif what == 'suppress' then
    if is_new(row) then
      count('produced', destination, 1)
      count_end(destination, ARGV[at + 3], ARGV[at + 4], 1)
    end
    at = at + 5
  else
    local is = redis.call('HMGET', row_key(row), 'lane', 'claim')
    if is[1] and is[2] == '' then
      end_by_itself(row, destination, is[1], 'suppressed', ARGV[at + 3], now)
    elseif is[1] then
      -- It is being sent. Should that fail, it is not tried again.
      redis.call('HSET', row_key(row), 'withdrawn', ARGV[at + 3])
    end
    at = at + 4
  end
end
redis.call('HSET', KEYS[1], 'generation', whole(from + 1), 'writer', ARGV[2], 'state', ARGV[4])
return 1
