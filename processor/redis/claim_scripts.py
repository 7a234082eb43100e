"""The Lua scripts of the claims, by the rules of `scripts`."""

from typing import Final

from processor.redis.scripts import ABSENT_OR, CHUNKS, Script

# An answer that is a list is success; a text says why the claims do not stand.
_CLAIMS: Final = (
    CHUNKS
    + """
local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
end
local stands = redis.call('HMGET', KEYS[1], 'generation', 'run_id', 'ready', 'stream')
if not stands[1] then return 'absent' end
if stands[1] ~= ARGV[1] then return 'superseded' end
if stands[2] ~= run_id() then return 'restarted' end
if not redis.call('HGET', KEYS[2], '') then return 'absent' end
"""
)
_READY: Final = "if stands[3] ~= '1' then return 'building' end\n"

# Who may claim for a partition stands beside the generation's name, and goes with it.
_OWNED: Final = (
    _CLAIMS
    + _READY
    + """
local first = 3 + 2 * ARGV[2]
local fenced = 'fenced'
for at = 3, first - 1, 2 do
  if redis.call('HGET', KEYS[1], 'owner:' .. ARGV[at]) ~= ARGV[at + 1] then
    fenced = fenced .. ' ' .. ARGV[at]
  end
end
if fenced ~= 'fenced' then return fenced end
"""
)
_FINISH_REMOVALS: Final = """
local text = redis.call('HGET', KEYS[2], 'removals')
if not text then return {} end
local below = tonumber(ARGV[3])
local removals = {}
for profile, note in pairs(cjson.decode(text)) do
  local partition, offset, removed = unpack(note)
  if partition ~= ARGV[2] or tonumber(offset) >= below then
    removals[profile] = note
  elseif removed == '1' and redis.call('HGET', KEYS[2], profile) == '' then
    redis.call('HDEL', KEYS[2], profile)
  end
end
redis.call('HDEL', KEYS[2], 'removals')
if next(removals) then redis.call('HSET', KEYS[2], 'removals', cjson.encode(removals)) end
return {}
"""

HOLDERS: Final = Script(
    _CLAIMS
    + _READY
    + """
local held = {}
for at = 2, #ARGV, CHUNK do
  local chunk = redis.call('HMGET', KEYS[2], unpack(ARGV, at, math.min(at + CHUNK - 1, #ARGV)))
  for i = 1, #chunk do held[#held + 1] = chunk[i] end
end
return held
"""
)
"""Keys: claims, holders. Arguments: generation, then the profiles."""

TAKE: Final = Script(
    _OWNED
    + """
local held = {}
for at = first, #ARGV, 2 do
  redis.call('HSETNX', KEYS[2], ARGV[at], ARGV[at + 1])
  held[#held + 1] = redis.call('HGET', KEYS[2], ARGV[at])
end
return held
"""
)
"""Keys: claims, holders.

Arguments: generation, how many partitions have claims, each with its token, then each profile and
the session that claims.
"""

GIVE_UP: Final = Script(
    _OWNED
    + """
local removals = cjson.decode(redis.call('HGET', KEYS[2], 'removals') or '{}')
local held, all = {}, true
for at = 7, #ARGV, 2 do
  local pending = removals[ARGV[at]]
  if pending and pending[1] ~= ARGV[3] then return 'pending' end
  local holder = redis.call('HGET', KEYS[2], ARGV[at])
  all = all and (holder == ARGV[6] or holder == '')
  held[#held + 1] = holder
end
if not all then return held end
redis.call('HDEL', KEYS[2], 'removals')
for at = 7, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[at], '')
  removals[ARGV[at]] = {ARGV[3], ARGV[5], ARGV[at + 1]}
end
if next(removals) then redis.call('HSET', KEYS[2], 'removals', cjson.encode(removals)) end
for i = 1, #held do held[i] = '' end
return held
"""
)
"""Keys: claims, holders.

Arguments: generation, 1, input partition, token, offset, session, then each profile and whether its
claim is to be removed (1 or 0). The field `removals` notes that by profile; none is called so.
"""

FINISH_REMOVALS: Final = Script(_CLAIMS + _READY + _FINISH_REMOVALS)
"""Keys: claims, holders. Arguments: generation, input partition and offset."""

OWN: Final = Script(
    _CLAIMS
    + """
local owner = 'owner:' .. ARGV[2]
redis.call('HDEL', KEYS[1], owner)
redis.call('HSET', KEYS[1], owner, ARGV[4])
if stands[3] ~= '1' then return {} end
"""
    + _FINISH_REMOVALS
)
"""Keys: claims, holders. Arguments: generation, input partition, offset, token."""

STREAM: Final = Script(
    _CLAIMS
    + _READY
    + """
-- A former primary that is cut off and may not write any more must not say that they stand.
redis.call('HSET', KEYS[1], 'ready', 1)
return {stands[4]}
"""
)
"""Keys: claims, holders. Arguments: generation."""

FILL: Final = Script(
    _CLAIMS
    + """
if stands[3] ~= '0' then return 'finished' end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
local first = 5 + ARGV[4]
in_chunks('HDEL', KEYS[2], 5, first - 1)
in_chunks('HSET', KEYS[2], first, #ARGV)
return {}
"""
)
"""Keys: claims, holders, lease.

Arguments: generation, token, lease in ms, how many profiles have no claim any more, these, then
profiles and holders.
"""

FINISH: Final = Script(
    _CLAIMS
    + """
if redis.call('GET', KEYS[3]) == ARGV[2] then redis.call('UNLINK', KEYS[3]) end
redis.call('HDEL', KEYS[1], 'ready')
redis.call('HSET', KEYS[1], 'ready', '1')
return {}
"""
)
"""Keys: claims, holders, lease. Arguments: generation, token."""

BEGIN_CLAIMS: Final = Script(
    ABSENT_OR
    + """
local lease = absent_or(redis.pcall('GET', KEYS[2]))
if lease and lease ~= ARGV[1] then return 'leased' end
local stands = absent_or(
  redis.pcall('HMGET', KEYS[1], 'generation', 'run_id', 'ready', 'stream')
) or {}
if (stands[1] or '') ~= ARGV[3] then return 'again' end
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if not run_id then return 'nameless' end
if stands[2] == run_id and stands[3] == '1' and stands[4] == ARGV[5]
  and absent_or(redis.pcall('HGET', KEYS[4], '')) then
  return 'ready'
end
redis.call('UNLINK', unpack(KEYS))
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[3], '', ARGV[5])
redis.call('HSET', KEYS[1], 'generation', ARGV[4], 'stream', ARGV[5], 'run_id', run_id, 'ready', 0)
return 'begun'
"""
)
"""Keys: claims, lease, fresh holders, and the former holders if there are any.

Arguments: token, lease in ms, the current generation (empty: none), the fresh one, its stream.
"""
