-- Adds a captured frame, counts it, and trims what nobody has read yet.
-- KEYS: frames, counts
-- ARGV: group, backlog (0: lossless, never trim), skipped, token, then the fields of the entry
-- Returns the id of the entry; a token that was the last one already is not added twice.
local frames, counts = KEYS[1], KEYS[2]
local backlog, skipped, token = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
if redis.call('HGET', counts, 'token') == token then
  return redis.call('HGET', counts, 'last_id')
end
-- What cannot be done for damage is found out before anything is changed.
redis.call('HINCRBY', counts, 'drop:superseded', 0)
redis.call('HINCRBY', counts, 'drop:trimmed', 0)
redis.call('HINCRBY', counts, 'captured', 0)
local id = redis.call('XADD', frames, '*', unpack(ARGV, 5))
redis.call('HSET', counts, 'token', token, 'last_id', id)
redis.call('HINCRBY', counts, 'captured', 1 + skipped)
if skipped > 0 then
  redis.call('HINCRBY', counts, 'drop:superseded', skipped)
end
if backlog > 0 then
  local delivered, pending = '0-0', 0
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', frames)) do
    local about = {}
    for i = 1, #group, 2 do about[group[i]] = group[i + 1] end
    if about['name'] == ARGV[1] then
      delivered, pending = about['last-delivered-id'], about['pending']
    end
  end
  -- Frames that a worker holds are not ours to trim: their end is counted by the worker.
  local excess = redis.call('XLEN', frames) - pending - backlog
  if excess > 0 then
    local trimmed = 0
    for _, entry in ipairs(redis.call('XRANGE', frames, '(' .. delivered, '+', 'COUNT', excess)) do
      trimmed = trimmed + redis.call('XDEL', frames, entry[1])
    end
    redis.call('HINCRBY', counts, 'drop:trimmed', trimmed)
  end
end
return id
