-- One try: refused while a wait runs, else counted, with the wait that follows it.
-- KEYS: one for each thing that it counts by, then perhaps the places that are known.
-- ARGV: how many it counts by, memory (s), the place; then of each: free tries, longest wait (s), whether it holds at
-- known places too.
local count, memory = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = KEYS[count + 1] and redis.call('ZSCORE', KEYS[count + 1], ARGV[3])
local wait = 0
for i = 1, count do
  if not known or ARGV[3 * i + 3] == '1' then
    local till = tonumber(redis.call('HGET', KEYS[i], 'till') or 0)
    if till - now > wait then wait = till - now end
  end
end
if wait > 0 then return wait end
for i = 1, count do
  local over = redis.call('HINCRBY', KEYS[i], 'tries', 1) - tonumber(ARGV[3 * i + 1])
  if over >= 0 then
    local pause = math.min(tonumber(ARGV[3 * i + 2]), 2 ^ math.min(over + 1, 20))
    redis.call('HSET', KEYS[i], 'till', now + pause * 1000)
  end
  redis.call('EXPIRE', KEYS[i], memory)
end
return 0
