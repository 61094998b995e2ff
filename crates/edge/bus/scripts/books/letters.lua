-- Put dead letters back on their way, or drop them.
-- KEYS: dead letters. ARGV: 'replayed' or 'dropped', who, now, until when they may be told ms, then their ids.
-- Answers a text with a 1 or 0 per id: a 0 for those that there were not.
local act, now = ARGV[1], tonumber(ARGV[3])
local answer, rows = {}, {}
for i = 5, #ARGV do
  local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  local is, body
  for j = 1, entry and #entry[2] or 0, 2 do
    if entry[2][j] == 'e' then
      local is_json, head = pcall(cjson.decode, entry[2][j + 1])
      is = is_json and type(head) == 'table' and head.row and head
    elseif entry[2][j] == 'd' then
      body = entry[2][j + 1]
    end
  end
  answer[#answer + 1] = (is and body) and '1' or '0'
  if is and body then
    redis.call('XDEL', KEYS[1], ARGV[i])
    rows[#rows + 1] = is.row
    if act == 'replayed' then
      redis.call('HSET', row_key(is.row), 'destination', is.destination, 'alert', is.alert, 'lane', is.lane, 'manner', is.manner,
        'reason', is.told_for, 'after', '', 'due_ms', whole(now), 'expires_ms', ARGV[4], 'usd', is.usd, 'body', body,
        'attempts', 0, 'claim', '')
      redis.call('ZADD', open_key(is.destination), ARGV[4], is.row)
      wait_in(is.destination, is.lane, is.row, whole(now))
      count_end(is.destination, 'dead', is.reason, -1)
    end
  end
end
if #rows > 0 then
  note({at_ms = now, what = 'letters', rows = rows, act = act, by = ARGV[2]})
end
return table.concat(answer)
