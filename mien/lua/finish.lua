-- Ends a frame exactly once: stores its result and counts it.
-- KEYS: frames, counts, results
-- ARGV: group, frame id, result (JSON), `on_time` or `late`, results kept
-- Returns 1, or 0 when somebody else ended this frame before.
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'result', ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[4], 1)
return 1
