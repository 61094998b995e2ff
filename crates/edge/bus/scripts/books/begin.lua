-- The beginning of every script of the dispatcher's books. All of its keys are in one slot, that of the tag of KEYS[1];
-- which rows a script meets is not known before, so their names are built here, as `wire::dispatch` has them.
local tag = KEYS[1]:match('^{[^}]*}:')
local CLAIMED, COUNTS, HISTORY, DEAD = tag .. 'claimed', tag .. 'counts', tag .. 'history', tag .. 'dead'
local HISTORY_MOST, DEAD_MOST, SETTLED_MS = 500000, 10000, 600000
local RANK = {LOW = 1, MEDIUM = 2, HIGH = 3}
local clock = redis.call('TIME')
-- Redis' time; `now` in the scripts is the dispatchers' clock.
local wall_us = clock[1] * 1000000 + clock[2]
local wall = math.floor(wall_us / 1000)

local function whole(number) return string.format('%.0f', number) end
local function row_key(row) return tag .. 'row:' .. row end
local function open_key(destination) return tag .. 'open:' .. destination end
local function due_key(destination, lane) return tag .. 'due:' .. destination .. ':' .. lane end
local function told_key(destination, alert) return tag .. 'told:' .. destination .. ':' .. alert end
local function claim_key(token) return tag .. 'claim:' .. token end
local function flight_key(destination) return tag .. 'flight:' .. destination end
local function overtaking_key(destination) return tag .. 'flight:' .. destination .. ':HIGH' end
local function off_key(destination) return tag .. 'off:' .. destination end

local function count(what, destination, by)
  redis.call('HINCRBY', COUNTS, what .. ':' .. destination, by)
end

local function count_end(destination, ending, reason, by)
  count(ending, destination, by)
  redis.call('HINCRBY', COUNTS, 'ended:' .. destination .. ':' .. ending .. ':' .. reason, by)
end

local function note_json(json)
  redis.call('XADD', HISTORY, 'MAXLEN', '~', HISTORY_MOST, '*', 'e', json)
end

local function note(entry)
  note_json(cjson.encode(entry))
end

local function wait_in(destination, lane, row, due)
  redis.call('ZADD', due_key(destination, lane), due, row)
end

-- A row is no more; `lane` as it stands in the row.
local function end_row(row, destination, lane, ending, reason)
  redis.call('ZREM', open_key(destination), row)
  redis.call('ZREM', due_key(destination, lane), row)
  redis.call('DEL', row_key(row))
  count_end(destination, ending, reason, 1)
end

-- The same, told in the history: of what ends by no sender's word.
local function end_by_itself(row, destination, lane, ending, reason, now)
  end_row(row, destination, lane, ending, reason)
  note({at_ms = now, what = 'end', row = row, destination = destination, ending = ending, reason = reason})
end

-- A row ends dead, and its letter stands until somebody replays or drops it.
local function bury(row, reason, said, now)
  local is = redis.call('HMGET', row_key(row), 'destination', 'alert', 'lane', 'manner', 'reason', 'usd', 'attempts', 'body')
  local head = {
    at_ms = now, reason = reason, said = said, attempts = tonumber(is[7]), row = row, destination = is[1], alert = is[2],
    lane = is[3], manner = is[4], told_for = is[5], usd = is[6],
  }
  redis.call('XADD', DEAD, 'MAXLEN', '~', DEAD_MOST, '*', 'e', cjson.encode(head), 'd', is[8])
  end_row(row, is[1], is[3], 'dead', reason)
end

-- A claimed row waits again, unless it was withdrawn meanwhile.
local function give_back(row, due, tried, now)
  local is = redis.call('HMGET', row_key(row), 'destination', 'lane', 'due_ms', 'withdrawn')
  if is[4] and is[4] ~= '' then
    return end_by_itself(row, is[1], is[2], 'suppressed', is[4], now)
  end
  redis.call('HINCRBY', row_key(row), 'attempts', tried)
  redis.call('HSET', row_key(row), 'claim', '', 'due_ms', due or is[3])
  wait_in(is[1], is[2], row, due or is[3])
end

local function clear_flight(destination, token)
  for _, key in ipairs({flight_key(destination), overtaking_key(destination)}) do
    local flight = redis.call('GET', key)
    if flight and flight:match('^%S+') == token then
      redis.call('DEL', key)
    end
  end
end

-- Claims that ran out: their senders were killed, or are slower than they may be. What they sent was not answered.
local function put_back(now)
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', CLAIMED, '-inf', whole(wall), 'LIMIT', 0, 100)) do
    local claim = redis.call('HMGET', claim_key(token), 'destination', 'rows')
    local rows = {}
    for row in (claim[2] or ''):gmatch('%S+') do
      if redis.call('HGET', row_key(row), 'claim') == token then
        rows[#rows + 1] = row
      end
    end
    if #rows > 0 then
      count('ambiguous', claim[1], 1)
      note({at_ms = now, what = 'attempt', rows = rows, destination = claim[1], outcome = 'ambiguous'})
    end
    for _, row in ipairs(rows) do
      give_back(row, nil, 1, now)
    end
    redis.call('ZREM', CLAIMED, token)
    redis.call('DEL', claim_key(token))
    if claim[1] then
      clear_flight(claim[1], token)
    end
  end
end

-- What is too old to be told ends, but for what is being sent; so many at once. How many did.
local function expire(destination, now)
  local ended = 0
  local old = redis.call('ZRANGEBYSCORE', open_key(destination), '-inf', '(' .. whole(now), 'LIMIT', 0, 300)
  for _, row in ipairs(old) do
    local is = redis.call('HMGET', row_key(row), 'lane', 'claim')
    if is[1] and is[2] == '' then
      end_by_itself(row, destination, is[1], 'expired', 'stale', now)
      ended = ended + 1
    end
  end
  return ended
end

-- Nothing is sent to a destination that is off: what waits for it ends dead, so many at once. Whether it is off.
local function end_if_off(destination, now)
  local why = redis.call('GET', off_key(destination))
  if not why then
    return false
  end
  -- For people: without the name of its settings.
  local said = string.gsub(why, ' %(settings %x+%)$', '')
  local left = 300
  for _, lane in ipairs({'HIGH', 'MEDIUM', 'LOW'}) do
    local waiting = redis.call('ZRANGE', due_key(destination, lane), 0, left - 1)
    for _, row in ipairs(waiting) do
      if redis.call('EXISTS', row_key(row)) == 1 then
        bury(row, 'destination_off', said, now)
        note({at_ms = now, what = 'end', row = row, destination = destination, ending = 'dead', reason = 'destination_off'})
      else
        redis.call('ZREM', due_key(destination, lane), row)
      end
    end
    left = left - #waiting
    if left < 1 then
      break
    end
  end
  return true
end
