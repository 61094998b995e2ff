-- Settle claimed rows. The same again answers the same and changes nothing.
-- KEYS: flight of the destination. ARGV: destination, token, now, how long what was told is remembered ms, the budget that
-- is closed ('' = none), for how long ms, why the destination is off ('' = it is not), '1' = no answer came, count of rows,
-- those, each: row, 'ended' | 'dead' | 'again' | 'later' | 'alone', ending | reason | due ms, reason | what was said | '';
-- count of alerts, those, each: alert, receipt ('' = forget it); then per history entry: the row that it says has ended
-- ('' = none), JSON.
-- Answers a text with a 1 or 0 per row: a 0 for what the claim holds no more.
local destination, token, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local before = redis.call('HGET', claim_key(token), 'settled')
if before then
  return before
end
local settled, ended, at, any = {}, {}, 10, false
for _ = 1, tonumber(ARGV[9]) do
  local row, kind, what, why = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local is = redis.call('HMGET', row_key(row), 'claim', 'lane')
  local holds = is[1] == token
  -- What a provider took is told, whoever holds the row now.
  if not holds and is[1] and kind == 'ended' and what == 'sent' then
    holds = true
  end
  if holds then
    any = true
    ended[row] = kind == 'ended' or kind == 'dead'
    if kind == 'ended' then
      end_row(row, destination, is[2], what, why)
    elseif kind == 'dead' then
      redis.call('HINCRBY', row_key(row), 'attempts', 1)
      bury(row, what, why, now)
    else
      if kind == 'alone' then
        redis.call('HSET', row_key(row), 'alone', '1')
      end
      give_back(row, what, kind == 'later' and 0 or 1, now)
    end
  end
  settled[#settled + 1] = holds and '1' or '0'
  at = at + 4
end
local alerts = tonumber(ARGV[at])
at = at + 1
for _ = 1, alerts do
  if ARGV[at + 1] == '' then
    redis.call('DEL', told_key(destination, ARGV[at]))
  else
    redis.call('SET', told_key(destination, ARGV[at]), ARGV[at + 1], 'PX', ARGV[4])
  end
  at = at + 2
end
-- Where the claim ran out, that was counted and noted when its rows were put back.
local counted_before = ARGV[8] == '1' and not any
if ARGV[8] == '1' and any then
  count('ambiguous', destination, 1)
end
for i = at, #ARGV, 2 do
  if (ARGV[i] == '' and not counted_before) or ended[ARGV[i]] then
    note_json(ARGV[i + 1])
  end
end
if ARGV[5] ~= '' then
  local budget = tag .. 'budget:' .. ARGV[5]
  local closed = math.max(tonumber(redis.call('HGET', budget, 'closed_ms') or '0'), wall + tonumber(ARGV[6]))
  redis.call('HSET', budget, 'closed_ms', whole(closed))
  redis.call('PEXPIRE', budget, whole(math.max(closed - wall, redis.call('PTTL', budget)) + 1000))
end
if ARGV[7] ~= '' then
  redis.call('SET', off_key(destination), ARGV[7])
end
redis.call('ZREM', CLAIMED, token)
clear_flight(destination, token)
local answer = table.concat(settled)
redis.call('HSET', claim_key(token), 'settled', answer)
redis.call('PEXPIRE', claim_key(token), SETTLED_MS)
return answer
