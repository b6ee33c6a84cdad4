-- Ends frames, each exactly once: stores its result, and its view when there is one, and counts it.
-- KEYS: for each frame: frames, counts, results, view
-- ARGV: group, results kept, then for each frame: its id, result (JSON), `on_time` or `late`, view (JPEG) or ''
-- Returns for each frame 1, or 0 when somebody else ended it before.
local group, kept = ARGV[1], ARGV[2]
local done = {}
-- What cannot be done because of damaged keys is found out before anything is changed.
for i = 1, #KEYS / 4 do
  local key = 4 * (i - 1)
  local counted = redis.call('HGET', KEYS[key + 2], ARGV[key + 5])
  if counted and not string.match(counted, '^%d+$') then return redis.error_reply('ERR no count: ' .. KEYS[key + 2]) end
  for _, stream in ipairs({ KEYS[key + 1], KEYS[key + 3], KEYS[key + 4] }) do redis.call('XLEN', stream) end
end
for i = 1, #KEYS / 4 do
  local key, arg = 4 * (i - 1), 4 * (i - 1) + 2
  local id = ARGV[arg + 1]
  -- What is stored first: a stream that takes no entries any more must not cost the frame its end.
  local stored = redis.call('XADD', KEYS[key + 3], 'MAXLEN', '~', kept, '*', 'result', ARGV[arg + 2])
  local view = ''
  if ARGV[arg + 4] ~= '' then
    view = redis.call('XADD', KEYS[key + 4], 'MAXLEN', 2, '*', 'jpeg', ARGV[arg + 4], 'frame_id', id)
  end
  done[i] = redis.call('XACK', KEYS[key + 1], group, id)
  if done[i] == 1 then
    redis.call('XDEL', KEYS[key + 1], id)
    redis.call('HINCRBY', KEYS[key + 2], ARGV[arg + 3], 1)
  else
    redis.call('XDEL', KEYS[key + 3], stored)
    if view ~= '' then redis.call('XDEL', KEYS[key + 4], view) end
    for _, stream in ipairs({ KEYS[key + 3], KEYS[key + 4] }) do
      if redis.call('XLEN', stream) == 0 then redis.call('DEL', stream) end
    end
  end
end
return done
