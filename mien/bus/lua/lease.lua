-- Takes, renews or gives back the right to be the producer of a camera, in one step: nothing can expire in between.
-- KEYS: lease
-- ARGV: holder, time to live in ms (0: give back what is the holder's own)
-- Returns who holds it now; '' when nobody does.
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' then held = '' end -- nobody's, or of another type: whatever that is, no producer wrote it
local is_own = held == ARGV[1]
if tonumber(ARGV[2]) == 0 then
  if is_own then
    redis.call('DEL', KEYS[1])
    return ''
  end
  return held
end
if held ~= '' and not is_own then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
