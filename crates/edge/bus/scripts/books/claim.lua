-- Claim rows for one message to a destination.
-- KEYS: flight of the destination. ARGV: destination, token, now, '1' = only HIGH, most rows, how long the claim holds ms,
-- the destination's settings, then per budget of the provider: name, one each so many us, burst, reserve for HIGH.
-- Answers {'rows', what the alert's message was told with ('' = new), then per row: row, attempts, due ms, expires ms, body},
-- or {'wait', ms of wall time ('' = unknown), when something is next due ms ('' = nothing is)}.
local destination, token, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local only_high, most, holds = ARGV[4] == '1', math.max(tonumber(ARGV[5]), 1), tonumber(ARGV[6])
-- Of each lane so many rows are looked at: a call must not hold up the others.
local CANDIDATES, OVERTAKEN_AFTER = {HIGH = 200, MEDIUM = 100, LOW = 100}, 1000
local settings = ARGV[7]
local lanes = only_high and {'HIGH'} or {'HIGH', 'MEDIUM', 'LOW'}

local function claimed(rows, told)
  local answer = {'rows', told}
  for _, row in ipairs(rows) do
    answer[#answer + 1] = row
    for _, value in ipairs(redis.call('HMGET', row_key(row), 'attempts', 'due_ms', 'expires_ms', 'body')) do
      answer[#answer + 1] = value or ''
    end
  end
  return answer
end

local function wait(ms)
  local next_due
  for _, lane in ipairs(lanes) do
    local found = redis.call('ZRANGEBYSCORE', due_key(destination, lane), '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if found[2] and (not next_due or tonumber(found[2]) < next_due) then
      next_due = tonumber(found[2])
    end
  end
  return {'wait', ms and whole(math.max(ms, 1)) or '', next_due and whole(next_due) or ''}
end

local function hold(flight, lane)
  redis.call('ZADD', CLAIMED, whole(wall + holds), token)
  redis.call('SET', flight, token .. ' ' .. lane .. ' ' .. whole(wall), 'PX', whole(holds))
end

-- The answer to this very claim was lost: it holds from now on, for nothing was sent yet.
local before = redis.call('HMGET', claim_key(token), 'rows', 'told', 'settled')
if before[1] and not before[3] then
  local rows = {}
  for row in before[1]:gmatch('%S+') do
    if redis.call('HGET', row_key(row), 'claim') == token then
      rows[#rows + 1] = row
    end
  end
  if #rows > 0 then
    local flight = redis.call('GET', KEYS[1])
    local is_beside = flight and flight:match('^%S+') ~= token
    hold(is_beside and overtaking_key(destination) or KEYS[1], redis.call('HGET', row_key(rows[1]), 'lane'))
    return claimed(rows, before[2])
  end
  -- Others have ended them: nothing is under way.
  redis.call('ZREM', CLAIMED, token)
  redis.call('DEL', claim_key(token))
  clear_flight(destination, token)
end

put_back(now)
if end_if_off(destination, now) then
  return {'wait', '', ''}
end
expire(destination, now)

-- One message at a time; but HIGH goes beside another lane's that hangs.
local flight, overtaking = redis.call('GET', KEYS[1]), redis.call('GET', overtaking_key(destination))
local own_flight = KEYS[1]
if overtaking then
  return wait(redis.call('PTTL', overtaking_key(destination)))
end
if flight then
  local lane, since = flight:match('^%S+ (%S+) (%S+)$')
  if not only_high or lane == 'HIGH' then
    return wait(redis.call('PTTL', KEYS[1]))
  end
  local hung = wall - tonumber(since)
  if hung <= OVERTAKEN_AFTER then
    return wait(OVERTAKEN_AFTER + 1 - hung)
  end
  own_flight = overtaking_key(destination)
end

local function is_open(row) return row ~= '' and redis.call('EXISTS', row_key(row)) == 1 end

-- What must be told before an urgent row is as urgent. Whether it can be told now.
local function hurry(row, lane)
  local is = redis.call('HMGET', row_key(row), 'lane', 'claim', 'attempts', 'due_ms')
  if is[2] ~= '' or RANK[is[1]] >= RANK[lane] then
    return false
  end
  -- After a failure it waits as long as that asks for.
  local due = tonumber(is[3]) > 0 and tonumber(is[4]) or math.min(now, tonumber(is[4]))
  redis.call('ZREM', due_key(destination, is[1]), row)
  redis.call('HSET', row_key(row), 'lane', lane, 'due_ms', whole(due))
  wait_in(destination, lane, row, whole(due))
  return due <= now
end

-- Whether a message can be edited, and whether it went where messages go now.
local function standing(told)
  local is_json, receipt = pcall(cjson.decode, told)
  if not is_json or type(receipt) ~= 'table' then
    return false, true
  end
  local is_here = not receipt.settings or receipt.settings == settings
  return receipt.editable and is_here, is_here
end

-- An edit of what was never told is no news; of what can't be edited, it is told anew where it matters; of what was told
-- with other settings, it is told anew, for who reads here may know nothing of it. How it is told.
local function manner_of(row, alert, reason, lane)
  local told = redis.call('GET', told_key(destination, alert))
  if not told then
    return end_by_itself(row, destination, lane, 'suppressed', 'stale', now)
  end
  local is_editable, is_here = standing(told)
  if is_editable then
    return 'edit'
  elseif is_here and reason == 'updated' then
    end_by_itself(row, destination, lane, 'suppressed', 'duplicate', now)
  else
    return 'new'
  end
end

-- The rows of a lane that are due, with those that wait for another row, in the order in which they go: what is new
-- before edits, which may come every few seconds; of HIGH the largest.
local function candidates(lane)
  local due = redis.call('ZRANGEBYSCORE', due_key(destination, lane), '-inf', whole(now), 'LIMIT', 0, CANDIDATES[lane])
  local found, i = {}, 1
  while due[i] do
    local row = due[i]
    local is = redis.call('HMGET', row_key(row), 'alert', 'manner', 'reason', 'after', 'usd', 'alone')
    if not is[1] then
      redis.call('ZREM', due_key(destination, lane), row)
    else
      local after = is_open(is[4]) and is[4] or nil
      local manner = is[2]
      if after then
        if hurry(after, lane) then
          due[#due + 1] = after
        end
      elseif manner == 'edit' then
        manner = manner_of(row, is[1], is[3], lane)
      elseif is[3] == 'resolved' and redis.call('EXISTS', told_key(destination, is[1])) == 0 then
        -- What told that it began expired or died: its end is no news.
        end_by_itself(row, destination, lane, 'suppressed', 'stale', now)
        manner = nil
      end
      if manner then
        found[#found + 1] = {
          row = row, alert = is[1], manner = manner, after = after, usd = tonumber(is[5]), place = i, alone = is[6],
        }
      end
    end
    i = i + 1
  end
  table.sort(found, function(one, other)
    if one.manner ~= other.manner then
      return one.manner == 'new'
    end
    if lane == 'HIGH' and one.usd ~= other.usd then
      return one.usd > other.usd
    end
    return one.place < other.place
  end)
  return found
end

-- The rows of the next message of a lane: those that are told anew, or one alert's edits, each after the one before. What
-- was refused together with others goes alone.
local function pick(lane)
  local found, best = candidates(lane), nil
  for _, candidate in ipairs(found) do
    if not candidate.after then
      best = candidate
      break
    end
  end
  local rows = {}
  if not best then
    return rows
  end
  if best.alone then
    return {best.row}, best.manner == 'edit' and redis.call('GET', told_key(destination, best.alert)) or nil
  end
  if best.manner == 'new' then
    for _, candidate in ipairs(found) do
      if candidate.manner == 'new' and not candidate.after and not candidate.alone and #rows < most then
        rows[#rows + 1] = candidate.row
      end
    end
    return rows
  end
  local taken, grew = {}, true
  while grew do
    grew = false
    for _, candidate in ipairs(found) do
      local follows = not candidate.after or taken[candidate.after]
      local is_ours = candidate.manner == 'edit' and candidate.alert == best.alert and not candidate.alone
      if is_ours and follows and not taken[candidate.row] then
        rows[#rows + 1] = candidate.row
        taken[candidate.row], grew = true, true
      end
    end
  end
  return rows, redis.call('GET', told_key(destination, best.alert))
end

-- When a budget is full again, us. A clock that was set back must not keep it used up for longer than it can be.
local function full_again(full_us, every, burst)
  return math.min(math.max(tonumber(full_us or '0'), wall_us), wall_us + math.max(burst, 1) * every)
end

-- How long until every budget has room, ms; 0 = now.
local function until_room(lane)
  local longest = 0
  for i = 8, #ARGV, 4 do
    local every, burst, reserve = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
    local is = redis.call('HMGET', tag .. 'budget:' .. ARGV[i], 'full_us', 'closed_ms')
    local kept = lane == 'HIGH' and 0 or reserve
    local slack = (math.max(burst - kept, 1) - 1) * every
    local ahead = full_again(is[1], every, burst) - wall_us
    longest = math.max(longest, math.ceil((ahead - slack) / 1000), tonumber(is[2] or '0') - wall)
  end
  return longest
end

-- Generic cell rate: when the budget would be full again if it were used as fast as may be.
local function use_budgets()
  for i = 8, #ARGV, 4 do
    local budget = tag .. 'budget:' .. ARGV[i]
    local is = redis.call('HMGET', budget, 'full_us', 'closed_ms')
    local every = tonumber(ARGV[i + 1])
    local full = full_again(is[1], every, tonumber(ARGV[i + 2])) + every
    redis.call('HSET', budget, 'full_us', whole(full))
    redis.call('PEXPIRE', budget, whole(math.max(full / 1000, tonumber(is[2] or '0')) - wall + 1000))
  end
end

for _, lane in ipairs(lanes) do
  -- Whether there is room is quickly known, what there is to send is not. Less urgent lanes have no more of it.
  local ms = until_room(lane)
  if ms > 0 then
    return wait(ms)
  end
  local rows, told = pick(lane)
  if #rows > 0 then
    use_budgets()
    for _, row in ipairs(rows) do
      redis.call('ZREM', due_key(destination, lane), row)
      redis.call('HSET', row_key(row), 'claim', token)
    end
    -- What was settled under this name before is another matter.
    redis.call('DEL', claim_key(token))
    redis.call('HSET', claim_key(token), 'destination', destination, 'rows', table.concat(rows, ' '), 'told', told or '')
    hold(own_flight, lane)
    return claimed(rows, told or '')
  end
end
return wait(nil)
