-- Ends frames, each exactly once: stores its result, and its view when there is one, and counts it.
-- KEYS: for each frame: frames, counts, results, view
-- ARGV: group, results kept, then for each frame: its id, result (JSON), `on_time` or `late`, view (JPEG) or ''
-- Returns for each frame 1, or 0 when somebody else ended it before.
local group, kept = ARGV[1], ARGV[2]
local done = {}
for i = 1, #KEYS / 4 do
  local key, arg = 4 * (i - 1), 4 * (i - 1) + 2
  local id = ARGV[arg + 1]
  done[i] = redis.call('XACK', KEYS[key + 1], group, id)
  if done[i] == 1 then
    redis.call('XDEL', KEYS[key + 1], id)
    redis.call('XADD', KEYS[key + 3], 'MAXLEN', '~', kept, '*', 'result', ARGV[arg + 2])
    redis.call('HINCRBY', KEYS[key + 2], ARGV[arg + 3], 1)
    if ARGV[arg + 4] ~= '' then
      redis.call('XADD', KEYS[key + 4], 'MAXLEN', 2, '*', 'jpeg', ARGV[arg + 4], 'frame_id', id)
    end
  end
end
return done
