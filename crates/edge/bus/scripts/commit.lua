-- Put out a batch's findings, move the cursor and keep the engine's snapshot, if the shard is still ours.
-- KEYS: epoch, cursor, alerts stream, state, where snapshots stand (hash), where readers of the alerts stand (hash).
-- ARGV: epoch, from, to, max entries, max age ms, engine, snapshot as of `to` ('' = none this time), count of durable
-- findings, those, then pairs of channel and message.
-- Answers 'done', 'already_done' (only the snapshot was written), 'fenced' or 'cursor_moved'; these two write nothing.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 'fenced'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function keep()
  if ARGV[7] ~= '' then
    redis.call('SET', KEYS[4], ARGV[7])
    redis.call('HSET', KEYS[5], ARGV[6], ARGV[3] .. ' ' .. string.format('%.0f', now))
  end
end
local cursor = redis.call('GET', KEYS[2]) or '0-0'
if cursor == ARGV[3] then
  keep()
  return 'already_done'
end
-- A cursor never goes back: what lies after it is out.
local function is_before(id, other)
  local ms, seq = id:match('^(%d+)%-(%d+)$')
  local other_ms, other_seq = other:match('^(%d+)%-(%d+)$')
  ms, seq, other_ms, other_seq = tonumber(ms), tonumber(seq), tonumber(other_ms), tonumber(other_seq)
  return ms < other_ms or (ms == other_ms and seq < other_seq)
end
if cursor ~= ARGV[2] or is_before(ARGV[3], cursor) then
  return 'cursor_moved'
end
local durable = tonumber(ARGV[8])
for i = 9, 8 + durable do
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[i])
end
if durable > 0 then
  trim_findings(KEYS[3], KEYS[6], ARGV[4], ARGV[5])
end
for i = 9 + durable, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
keep()
redis.call('SET', KEYS[2], ARGV[3])
return 'done'
