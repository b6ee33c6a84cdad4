-- A worker's heartbeat on Redis' own clock; its note changes with it, so that no worker is ever seen without one.
-- KEYS: workers, notes of workers
-- ARGV: worker id, time to live in ms (0: leave), note (JSON; not when leaving)
-- Returns the ids of the live workers, and after them the ids of those that expired.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[2]) > 0 then
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
-- Beats that no worker writes, and what nobody forgot in a minute: without end they would hold cameras.
local minute = 60000
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - minute)) do redis.call('HDEL', KEYS[2], name) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - minute)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + minute, '+inf')
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
local live = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
return { live, dead }
