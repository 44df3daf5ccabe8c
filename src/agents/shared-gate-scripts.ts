/** All times are those of Redis: the clocks of the processes may differ. */
const NOW = `
local places, waiting, alive = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * Process, places in all, lease, one token for each place that is wanted → how many were given.
 * Processes wait in the order in which they came, each asks again and again, and one that has not
 * asked for a second is forgotten. Free places are shared out among those that wait: a process whose
 * calls end and begin without a pause would else keep them all.
 */
export const ENTER = `${NOW}
local me, most, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted = #ARGV - 3
redis.call('ZREMRANGEBYSCORE', places, '-inf', now)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', now)) do
  redis.call('ZREM', waiting, gone)
  redis.call('ZREM', alive, gone)
end
redis.call('ZADD', waiting, 'NX', now, me)
redis.call('ZADD', alive, now + 1000, me)
local free = most - redis.call('ZCARD', places)
local ahead = redis.call('ZRANK', waiting, me)
local others = redis.call('ZCARD', waiting) - ahead
local given = 0
if free > ahead then
  given = math.min(wanted, math.max(1, math.floor((free - ahead) / others)))
  for i = 1, given do redis.call('ZADD', places, now + lease, ARGV[3 + i]) end
  redis.call('ZREM', waiting, me)
  redis.call('ZREM', alive, me)
  if given < wanted then
    redis.call('ZADD', waiting, now, me)
    redis.call('ZADD', alive, now + 1000, me)
  end
end
redis.call('PEXPIRE', places, lease + 60000)
redis.call('PEXPIRE', waiting, 60000)
redis.call('PEXPIRE', alive, 60000)
return given`;

/** Tokens → nothing. */
export const LEAVE = `for _, token in ipairs(ARGV) do redis.call('ZREM', KEYS[1], token) end`;

/** Lease, tokens: also of places that were lost meanwhile, for their calls are still under way. */
export const RENEW = `${NOW}
for i = 2, #ARGV do redis.call('ZADD', places, now + tonumber(ARGV[1]), ARGV[i]) end
redis.call('PEXPIRE', places, tonumber(ARGV[1]) + 60000)`;

/** Process → nothing. */
export const STOP_WAITING = `redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('ZREM', KEYS[3], ARGV[1])`;
