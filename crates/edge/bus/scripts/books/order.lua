-- Ask something of the dispatcher as what a bot's update says, once.
-- KEYS: orders, the bot's last update. ARGV: update, how many orders stay, order ('' = none).
-- Answers 0 if the update was handled before, else 1. The last update is forgotten after three days: Telegram keeps none for
-- longer than one, and after a week without any it counts on from a number of its choice, which may be a smaller one.
local FORGOTTEN_S = 259200
if tonumber(redis.call('GET', KEYS[2]) or '-1') >= tonumber(ARGV[1]) then
  return 0
end
if ARGV[3] ~= '' then
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[3])
end
redis.call('SET', KEYS[2], ARGV[1], 'EX', FORGOTTEN_S)
return 1
