-- Moves a job to another state, if it is still in one of the given states (and still at the given attempt).
-- KEYS: record of the job
-- ARGV: states it may be in, each followed by a comma; attempt, or '' for any; then fields and values to set
-- Returns 1, or 0 when the job is elsewhere.
local state = redis.call('HGET', KEYS[1], 'state')
if not state or not string.find(ARGV[1], state .. ',', 1, true) then
  return 0
end
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return 1
