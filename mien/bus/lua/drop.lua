-- Ends frames without a result, each exactly once, and counts why.
-- KEYS: for each group of frames of one camera: frames, counts
-- ARGV: consumer group, then for each group of frames: reason, how many, their ids
-- Returns for each group how many were dropped by this call.
local done, arg = {}, 2
for i = 1, #KEYS / 2 do
  local frames, counts = KEYS[2 * i - 1], KEYS[2 * i]
  local reason, dropped = ARGV[arg], 0
  local counted = redis.call('HGET', counts, 'drop:' .. reason)
  if counted and not string.match(counted, '^%d+$') then return redis.error_reply('ERR no count: ' .. counts) end
  for j = arg + 2, arg + 1 + ARGV[arg + 1] do
    if redis.call('XACK', frames, ARGV[1], ARGV[j]) == 1 then
      redis.call('XDEL', frames, ARGV[j])
      dropped = dropped + 1
    end
  end
  if dropped > 0 then
    redis.call('HINCRBY', counts, 'drop:' .. reason, dropped)
  end
  done[i] = dropped
  arg = arg + 2 + ARGV[arg + 1]
end
return done
