-- Says how far parts of a job are. What was said of a part before is taken back, so that saying it twice changes nothing.
-- KEYS: record of the job; numbers of its parts; failures of its parts
-- ARGV: most failures to keep; then for each part: its name, done, failed, faces, units done, units, failures as JSON
-- A part whose five numbers are empty is forgotten.
local names = {'done', 'failed', 'faces', 'units_done', 'units'}
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local kept = tonumber(redis.call('HGET', KEYS[1], 'failures_kept') or '0')
for first = 2, #ARGV, 7 do
  local part = ARGV[first]
  local before = {0, 0, 0, 0, 0}
  local known = redis.call('HGET', KEYS[2], part)
  if known then
    before = cjson.decode(known)
  end
  local now = {}
  for number = 1, 5 do
    now[number] = tonumber(ARGV[first + number]) or 0
    if now[number] ~= before[number] then
      redis.call('HINCRBY', KEYS[1], names[number], now[number] - before[number])
    end
  end
  if ARGV[first + 1] == '' then
    redis.call('HDEL', KEYS[2], part)
  else
    redis.call('HSET', KEYS[2], part, '[' .. table.concat(now, ',') .. ']')
  end
  if redis.call('HDEL', KEYS[3], part) == 1 then
    kept = kept - before[2]
  end
  if now[2] > 0 and kept < tonumber(ARGV[1]) then
    redis.call('HSET', KEYS[3], part, ARGV[first + 6])
    kept = kept + now[2]
  end
end
redis.call('HSET', KEYS[1], 'failures_kept', kept)
return 1
