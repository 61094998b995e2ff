-- Look through a part of a destination's open rows.
-- KEYS: open rows of the destination. ARGV: destination, now, cursor of the walk.
-- Answers {cursor from where to go on ('0' = all were seen), rows put back, rows that expired}.
local destination, now = ARGV[1], tonumber(ARGV[2])
put_back(now)
end_if_off(destination, now)
local expired, orphans = expire(destination, now), 0
local walk = redis.call('ZSCAN', KEYS[1], ARGV[3], 'COUNT', 200)
for i = 1, #walk[2], 2 do
  local row = walk[2][i]
  local is = redis.call('HMGET', row_key(row), 'lane', 'claim', 'due_ms')
  if not is[1] then
    -- It was counted as produced, and nobody can tell it any more.
    if redis.call('ZSCORE', KEYS[1], row) then
      end_by_itself(row, destination, 'LOW', 'dead', 'lost', now)
    end
  elseif is[2] == '' then
    if not redis.call('ZSCORE', due_key(destination, is[1]), row) then
      wait_in(destination, is[1], row, is[3])
      orphans = orphans + 1
    end
  elseif not redis.call('ZSCORE', CLAIMED, is[2]) then
    count('ambiguous', destination, 1)
    give_back(row, nil, 1, now)
    orphans = orphans + 1
  end
end
return {walk[1], orphans, expired}
