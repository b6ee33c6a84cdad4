-- Ends every frame that nobody has read yet, as `trimmed`: the producer is gone and nobody came for them.
-- KEYS: frames, counts
-- ARGV: group
-- Returns how many were dropped.
local delivered = '0-0'
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local about = {}
  for i = 1, #group, 2 do about[group[i]] = group[i + 1] end
  if about['name'] == ARGV[1] then delivered = about['last-delivered-id'] end
end
local trimmed = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. delivered, '+')) do
  trimmed = trimmed + redis.call('XDEL', KEYS[1], entry[1])
end
if trimmed > 0 then redis.call('HINCRBY', KEYS[2], 'drop:trimmed', trimmed) end
return trimmed
