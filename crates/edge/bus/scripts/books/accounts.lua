-- How the books stand, all of one moment.
-- KEYS: counts (hash). ARGV: now.
-- Answers {counts (names and values in turn), dead letters, then per destination: name, open rows, since when the oldest
-- of those that are due is due ms ('' = none is), why it is off ('' = it is not)}.
local counts = redis.call('HGETALL', COUNTS)
local answer = {counts, redis.call('XLEN', DEAD)}
for i = 1, #counts, 2 do
  local destination = counts[i]:match('^produced:(.+)$')
  if destination then
    local oldest
    for lane in pairs(RANK) do
      local first = redis.call('ZRANGEBYSCORE', due_key(destination, lane), '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, 1)
      if first[2] and (not oldest or tonumber(first[2]) < oldest) then
        oldest = tonumber(first[2])
      end
    end
    answer[#answer + 1] = destination
    answer[#answer + 1] = redis.call('ZCARD', open_key(destination))
    answer[#answer + 1] = oldest and whole(oldest) or ''
    answer[#answer + 1] = redis.call('GET', off_key(destination)) or ''
  end
end
return answer
