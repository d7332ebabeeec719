-- A bucket is a hash of values, a set of names that is ordered by their bytes, and the sum of its bytes.
-- KEYS: values, names, bytes. ARGV: the verb, its quota (bytes, keys), its own arguments.
-- Nothing is written before it is known that all of it may be.
local values, names, sum = KEYS[1], KEYS[2], KEYS[3]
local verb, most_bytes, most_keys = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

-- What the entry counts for; nil where there is none.
local function size(name)
  if redis.call('HEXISTS', values, name) == 0 then return nil end
  return #name + redis.call('HSTRLEN', values, name)
end

local function hold(bytes)
  redis.call('SET', sum, string.format('%.0f', bytes))
end

-- Sets ARGV[first], ARGV[first + 1] and so on: names and values in turn, each name once.
local function set(first)
  local before, held = tonumber(redis.call('GET', sum) or '0'), redis.call('HLEN', values)
  local after, count = before, held
  for i = first, #ARGV, 2 do
    local old = size(ARGV[i])
    if old then after = after - old else count = count + 1 end
    after = after + #ARGV[i] + #ARGV[i + 1]
  end
  if count > most_keys and count > held then return 'keys' end
  if after > most_bytes and after > before then return 'bytes' end
  for i = first, #ARGV, 2 do
    redis.call('HSET', values, ARGV[i], ARGV[i + 1])
    redis.call('ZADD', names, 0, ARGV[i])
  end
  hold(after)
  return 'done'
end

if verb == 'get' then
  local found, bytes = { 'done' }, 0
  for i = 4, #ARGV do
    bytes = bytes + redis.call('HSTRLEN', values, ARGV[i])
    if bytes > most_bytes then return { 'large' } end
    found[i - 2] = redis.call('HGET', values, ARGV[i])
  end
  return found
elseif verb == 'set' then
  return { set(4) }
elseif verb == 'swap' then
  -- Whether a value was seen, and which; then the name and its value.
  local now = redis.call('HGET', values, ARGV[6])
  local same = (ARGV[4] == '0' and not now) or (ARGV[4] == '1' and now == ARGV[5])
  if not same then return { 'changed' } end
  return { set(6) }
elseif verb == 'increment' then
  local name = ARGV[4]
  local old = redis.call('HGET', values, name)
  -- Numbers of Lua have 53 bits: the server counts.
  local counted = redis.pcall('HINCRBY', values, name, ARGV[5])
  if type(counted) == 'table' and counted.err then
    if string.find(counted.err, 'integer') or string.find(counted.err, 'overflow') then
      return { 'number' }
    end
    return counted
  end
  local new = redis.call('HGET', values, name)
  local before, held = tonumber(redis.call('GET', sum) or '0'), redis.call('HLEN', values)
  local after = before + #new + (old and -#old or #name)
  local over = nil
  if not old and held > most_keys then
    over = 'keys'
  elseif after > most_bytes and after > before then
    over = 'bytes'
  end
  if over then
    if old then redis.call('HSET', values, name, old) else redis.call('HDEL', values, name) end
    return { over }
  end
  redis.call('ZADD', names, 0, name)
  hold(after)
  return { 'done', new }
elseif verb == 'delete' then
  local bytes = tonumber(redis.call('GET', sum) or '0')
  for i = 4, #ARGV do
    bytes = bytes - (size(ARGV[i]) or 0)
    redis.call('HDEL', values, ARGV[i])
    redis.call('ZREM', names, ARGV[i])
  end
  if redis.call('HLEN', values) == 0 then redis.call('DEL', sum) else hold(bytes) end
  return { 'done' }
end
return redis.error_reply('no such verb')
