-- The beginning of the scripts that put out findings: a shard's findings are trimmed by age and length, but never past what
-- a reader has not read that said within a day how far it is; what waits longer than a day beyond its age goes.
local function trim_findings(stream, readers, most, age)
  local DAY = 86400000
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local read
  for _, stands in ipairs(redis.call('HVALS', readers)) do
    local ms, at = stands:match('^(%d+)%-%d+ (%d+)$')
    if ms and at * 1000 > now - DAY and (not read or tonumber(ms) < read) then
      read = tonumber(ms)
    end
  end
  local oldest = now - age
  if read then
    oldest = math.min(oldest, math.max(read, now - age - DAY))
  end
  redis.call('XTRIM', stream, 'MINID', '~', string.format('%.0f', oldest))
  local over = redis.call('XLEN', stream) - most
  if over > 0 and read then
    redis.call('XTRIM', stream, 'MINID', '~', string.format('%.0f', read), 'LIMIT', over)
  elseif over > 0 then
    redis.call('XTRIM', stream, 'MAXLEN', '~', most)
  end
end
