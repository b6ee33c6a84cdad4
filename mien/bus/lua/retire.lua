-- Removes a consumer that holds nothing; one that woke up and holds a frame stays, or the frame would be lost.
-- KEYS: frames
-- ARGV: group, consumer
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
