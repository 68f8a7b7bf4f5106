-- One try to log in: refused while a delay runs, else counted, with the delay that follows if it fails.
-- KEYS: mailbox, address, pair, known addresses. ARGV: address, free tries of the three, longest delay and memory (s).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[4], ARGV[1])
local wait = 0
for i = 1, 3 do
  local till = tonumber(redis.call('HGET', KEYS[i], 'till') or 0)
  if till - now > wait then wait = till - now end
end
if wait > 0 and not known then return {wait, 0} end
for i = 1, 3 do
  local tries = redis.call('HINCRBY', KEYS[i], 'tries', 1)
  local over = tries - tonumber(ARGV[1 + i])
  if over > 0 then
    local delay = math.min(tonumber(ARGV[5]), 2 ^ math.min(over - 1, 20))
    redis.call('HSET', KEYS[i], 'till', now + delay * 1000)
  end
  redis.call('EXPIRE', KEYS[i], ARGV[6])
end
return {0, known and 1 or 0}
