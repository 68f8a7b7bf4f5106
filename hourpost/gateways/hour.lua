-- One account's hour, in one call: https://redis.io/docs/latest/develop/programmability/eval-intro/
--
-- The bucket is one string, so that a call reads and writes a hundred bytes of it whatever the plan:
--   mark 48 bytes      layout version and run id of the server that counted; on another server the bucket is cold
--   nine doubles       clock, generation, used, waiting, head, closed, oldest, open_count, open_youngest
--   ring of cells      (youngest, count) of each closed slot, `closed` of them from `head` on, oldest first
-- The slot that is being spent from is `open` and lives in the header. Moments are microseconds, exact in a double.
--
-- KEYS  bucket; of take and undo as many as there are accounts, then the memory of the request
-- ARGV  operation, mark, virtual now or "", then what the operation needs
-- Answers nil when the bucket is cold; a take with an array, false in it for a cold one; undo with nothing.

local HOUR, SLOT = 3600000000, 10000000
local CELL, CELLS = 12, 364 -- at most 362 slots are alive: 3600 s / 10 s, and both ends
local MARK, HEADER = 48, 120
local IDLE_MS, MEMORY_MS = 90000000, 60000
local ALL, RELEASE = 1, 2 -- 0 takes as many as there are
local LIMIT, BACKLOG, UNDONE = -1, -2, -3

local bucket = KEYS[1]
local operation, mark = ARGV[1], ARGV[2]
local floor, max, min = math.floor, math.max, math.min
local now, generation, used, waiting, head, closed, oldest, open_count, open_youngest
local clock

-- The same throughout one run.
local function time()
  if not clock then
    if ARGV[3] ~= '' then
      clock = tonumber(ARGV[3])
    else
      local parts = redis.call('TIME')
      clock = parts[1] * 1000000 + parts[2]
    end
  end
  return clock
end

local function header()
  return mark .. struct.pack('<ddddddddd', now, generation, used, waiting, head, closed, oldest, open_count, open_youngest)
end

local function save() redis.call('SETRANGE', bucket, 0, header()) end

local function ring() return redis.call('GETRANGE', bucket, HEADER, -1) end

-- Takes back what came back; `now` never goes back, so nothing comes back twice.
local function advance()
  now = max(now, time())
  local past = now - HOUR
  if closed > 0 and oldest <= past then
    local cells, count = ring(), nil
    while closed > 0 do
      oldest, count = struct.unpack('<dI4', cells, head * CELL + 1)
      if oldest > past then break end
      used, head, closed = used - count, (head + 1) % CELLS, closed - 1
    end
  end
  if closed == 0 then
    head = 0
    if open_youngest <= past then used, open_count, open_youngest = 0, 0, 0 end
  end
end

local function load()
  local raw = redis.call('GETRANGE', bucket, 0, HEADER - 1)
  if #raw < HEADER or string.sub(raw, 1, MARK) ~= mark then return false end
  now, generation, used, waiting, head, closed, oldest, open_count, open_youngest =
    struct.unpack('<ddddddddd', raw, MARK + 1)
  return true
end

local function close()
  if open_count == 0 then return end
  local cell = struct.pack('<dI4', open_youngest, open_count)
  redis.call('SETRANGE', bucket, HEADER + (head + closed) % CELLS * CELL, cell)
  if closed == 0 then oldest = open_youngest end
  closed, open_count = closed + 1, 0
end

-- Says whether an hour of the clock has begun since the last one.
local function spend(count)
  if count == 0 then return false end
  local before = open_youngest
  if floor(before / SLOT) ~= floor(now / SLOT) then close() end
  open_count, open_youngest = open_count + count, now
  return floor(before / HOUR) ~= floor(now / HOUR)
end

-- Gives tokens back to the slot they were spent from; those of a slot that has come back are back already.
local function give_back(spent_at, count)
  local number, given = floor(spent_at / SLOT), 0
  if floor(open_youngest / SLOT) == number then
    given = min(count, open_count)
    open_count = open_count - given
  else
    local cells = ring()
    for index = closed - 1, 0, -1 do
      local offset = (head + index) % CELLS * CELL
      local youngest, spent = struct.unpack('<dI4', cells, offset + 1)
      if floor(youngest / SLOT) == number then
        given = min(count, spent)
        redis.call('SETRANGE', bucket, HEADER + offset, struct.pack('<dI4', youngest, spent - given))
      end
      if floor(youngest / SLOT) <= number then break end
    end
  end
  used = used - given
  return given
end

local function schedule()
  local cells = ''
  if closed > 0 then
    local all, last = ring(), head + closed
    cells = string.sub(all, head * CELL + 1, min(last, CELLS) * CELL)
    if last > CELLS then cells = cells .. string.sub(all, 1, (last - CELLS) * CELL) end
  end
  if open_count > 0 then cells = cells .. struct.pack('<dI4', open_youngest, open_count) end
  return cells
end

local function answer(at, waiting_before, codes, cells)
  local first = closed > 0 and oldest or open_youngest
  return struct.pack('<ddddddddI4', at, waiting_before, now, generation, used, waiting, first, open_youngest, #codes)
    .. codes .. cells
end

-- One want: how many it gets, or why it is refused. Whoever asks anew stands behind those who wait.
local function grant(count, mode, limit, backlog)
  local free = max(0, limit - used)
  if mode == RELEASE then
    local given = min(free, count)
    used, waiting = used + given, max(0, waiting - given)
    return given
  end
  if waiting > 0 then free = 0 end
  if count <= free then
    used = used + count
    return count
  end
  if mode == ALL then return LIMIT end
  if waiting + count - free > backlog then return BACKLOG end
  used, waiting = used + free, waiting + count - free
  return free
end

local function grant_all(wants, limit, backlog)
  local codes, total, refused, at = {}, 0, false, 1
  for index = 1, #wants / 4 do
    local want = struct.unpack('<I4', wants, at)
    local mode = want % 4
    local code = grant((want - mode) / 4, mode, limit, backlog)
    if code > 0 then total = total + code end
    if code < 0 then refused = true end
    codes[index] = struct.pack('<i4', code)
    at = at + 4
  end
  return table.concat(codes), total, refused
end

local operations = {}

-- The memory of a request has a record of each account, in order: 44 bytes (when, generation, waiting before, what was
-- added to waiting, what was taken, bytes of codes), then codes. It is empty once the request has been undone.
local RECORD, FORGOTTEN = '<dddddI4', struct.pack('<dddddI4', 0, -1, 0, 0, 0, 0)

-- Answers the account anew, or as `known` has it, which is of the same generation.
local function take(limit, backlog, wants, undone, known)
  if not load() then return false, FORGOTTEN end
  advance()
  local at, before, codes, refused, record = now, waiting, nil, true, known
  if undone then
    codes = string.rep(struct.pack('<i4', UNDONE), #wants / 4)
  elseif known and struct.unpack('<d', known, 9) == generation then
    at, before = struct.unpack('<d', known), struct.unpack('<d', known, 17)
    codes = string.sub(known, 45)
  else
    local total
    codes, total, refused = grant_all(wants, limit, backlog)
    local began = spend(total)
    save()
    if began then redis.call('PEXPIRE', bucket, IDLE_MS) end
    record = struct.pack(RECORD, at, generation, before, waiting - before, total, #codes) .. codes
  end
  local cells = (refused or waiting > 0 or used > limit) and schedule() or ''
  return answer(at, before, codes, cells), record
end

local function records(remembered)
  local found, at = {}, 1
  while at <= #remembered do
    local size = 44 + struct.unpack('<I4', remembered, at + 40)
    found[#found + 1] = string.sub(remembered, at, at + size - 1)
    at = at + size
  end
  return found
end

-- of each account: limit, backlog, wants (count * 4 + mode each, as uint32), in one string
function operations.take()
  local accounts = #KEYS - 1
  local memory = KEYS[accounts + 1]
  local remembered = redis.call('GET', memory)
  local undone, known = remembered == '', remembered and records(remembered) or {}
  local answers, kept = {}, {}
  for index = 1, accounts do
    bucket = KEYS[index]
    local asked = ARGV[3 + index]
    local limit, backlog = struct.unpack('<dd', asked)
    answers[index], kept[index] = take(limit, backlog, string.sub(asked, 17), undone, known[index])
  end
  if not undone then redis.call('SET', memory, table.concat(kept), 'PX', MEMORY_MS) end
  return answers
end

-- Makes a take not have been, also one that comes later.
function operations.undo()
  local accounts = #KEYS - 1
  local memory = KEYS[accounts + 1]
  local remembered = redis.call('GET', memory)
  redis.call('SET', memory, '', 'PX', MEMORY_MS)
  for index, record in ipairs(remembered and records(remembered) or {}) do
    bucket = KEYS[index]
    local at, counted_in, _, held, total = struct.unpack(RECORD, record)
    if load() and counted_in == generation then
      advance()
      waiting = max(0, waiting - held)
      give_back(at, total)
      save()
    end
  end
end

-- generation, count, moment of the spend
function operations.refund()
  if not load() then return nil end
  advance()
  local given = 0
  if tonumber(ARGV[4]) == generation then
    given = give_back(tonumber(ARGV[6]), tonumber(ARGV[5]))
    save()
  end
  return answer(now, waiting, struct.pack('<i4', given), '')
end

-- change of `waiting`, generation or ""
function operations.adjust()
  if not load() then return nil end
  advance()
  if ARGV[5] == '' or tonumber(ARGV[5]) == generation then
    waiting = max(0, waiting + tonumber(ARGV[4]))
    save()
  end
  return answer(now, waiting, '', '')
end

function operations.peek()
  if not load() then return nil end
  advance()
  return answer(now, waiting, '', schedule())
end

-- generation, waiting, tokens used, cells oldest first
function operations.seed()
  local seeded = tonumber(ARGV[4])
  if not load() or generation < seeded then
    local cells = ARGV[7]
    local slots = #cells / CELL
    now, generation, waiting, used = time(), seeded, tonumber(ARGV[5]), tonumber(ARGV[6])
    head, closed, oldest, open_count, open_youngest = 0, max(0, slots - 1), 0, 0, 0
    if slots > 0 then
      oldest = struct.unpack('<d', cells)
      open_youngest, open_count = struct.unpack('<dI4', cells, closed * CELL + 1)
      now = max(now, open_youngest)
    end
    redis.call('SET', bucket, header() .. string.sub(cells, 1, closed * CELL), 'PX', IDLE_MS)
  end
  advance()
  return answer(now, waiting, '', '')
end

return operations[operation]()
