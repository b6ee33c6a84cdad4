-- Ends frames without a result, each exactly once, and counts why.
-- KEYS: frames, counts
-- ARGV: group, reason, frame ids
-- Returns how many were dropped by this call.
local dropped = 0
for i = 3, #ARGV do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    dropped = dropped + 1
  end
end
if dropped > 0 then
  redis.call('HINCRBY', KEYS[2], 'drop:' .. ARGV[2], dropped)
end
return dropped
