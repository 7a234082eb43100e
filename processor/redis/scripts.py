"""The Lua scripts: each compares and sets in one step, with every key of it in one slot.

`false` (nil outside) answers that something else stands there than the caller thinks. Values pass
through `unpack` in chunks, since it takes fewer than 8,000. A script is replicated by its effects
(since Redis 5), so INFO may be read before a write.

At `maxmemory` a server refuses a script's first write if that may take memory, and no write of a
script that has written. (A script may also say `allow-oom`, but not before Redis 7.) What frees
memory, or ends what does, therefore writes first what only frees, were it of what is absent: it is
never refused. What adds sessions or claims is.
"""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from typing import Final


@dataclass(frozen=True)
class Script:
    """A script's text."""

    source: str

    @cached_property
    def digest(self) -> str:
        """The name under which a server keeps it."""
        return sha1(self.source.encode(), usedforsecurity=False).hexdigest()


CHUNKS: Final = """
local CHUNK = 7000
local function in_chunks(command, key, first, last)
  for at = first, last, CHUNK do
    redis.call(command, key, unpack(ARGV, at, math.min(at + CHUNK - 1, last)))
  end
end
"""

# A key of another type under one of our names is none of ours: it reads as absent. Any other error
# stays one: a user who may not read must not seem to read nothing.
ABSENT_OR: Final = """
local function absent_or(value)
  if type(value) == 'table' and value.err then
    if string.find(value.err, 'WRONGTYPE', 1, true) then return false end
    error(value.err)
  end
  return value
end
"""

CHECK: Final = Script("""
local stands = redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('HGET', KEYS[2], '') == ARGV[2]
return stands and 1 or false
""")
"""Keys: pointer, hash. Arguments: generation, checkpoint."""

LOAD: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('HGET', KEYS[2], '') ~= ARGV[2] then
  return false
end
-- Short chunks: no more than these are read in vain when the limit is passed.
local limit, size, values = tonumber(ARGV[3]), 0, {}
for at = 4, #ARGV, 50 do
  local chunk = redis.call('HMGET', KEYS[2], unpack(ARGV, at, math.min(at + 49, #ARGV)))
  for i = 1, #chunk do
    if size > limit then return values end
    values[#values + 1] = chunk[i]
    if chunk[i] then size = size + #chunk[i] end
  end
end
return values
""")
"""Keys: pointer, hash. Arguments: generation, checkpoint, limit in bytes, then the record keys."""

WRITE: Final = Script(
    CHUNKS
    + """
if KEYS[2] and redis.call('GET', KEYS[2]) ~= ARGV[1] then return false end
local stood = redis.call('HGET', KEYS[1], '')
if stood ~= ARGV[2] then return stood == ARGV[3] and 'already' or false end
local last = 4 + tonumber(ARGV[4])
in_chunks('HSET', KEYS[1], 5, last)
in_chunks('HDEL', KEYS[1], last + 1, #ARGV)
redis.call('HSET', KEYS[1], '', ARGV[3])
return 'done'
"""
)
"""Keys: hash, and the pointer where the generation must be current.

Arguments: generation, checkpoint before, checkpoint after, how many arguments are keys and values
to set, these, then the keys to delete.
"""

BEGIN: Final = Script(
    ABSENT_OR
    + """
local current = absent_or(redis.pcall('GET', KEYS[1])) or ''
local latest = absent_or(redis.pcall('GET', KEYS[2])) or ''
if current ~= ARGV[1] or latest ~= ARGV[2] then return false end
redis.call('UNLINK', unpack(KEYS, 2))
redis.call('SET', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[3], '', ARGV[4])
return 1
"""
)
"""Keys: pointer, latest, fresh hash, and the abandoned hash if there is one.

Arguments: the generations that are current and latest (empty: none), the fresh one, its checkpoint.
"""

DROP_UNFINISHED: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return false
end
redis.call('UNLINK', KEYS[2], KEYS[3])
return 1
""")
"""Keys: pointer, latest, the abandoned hash. Arguments: the current and the latest generation."""

FLIP: Final = Script(
    ABSENT_OR
    + """
local current = absent_or(redis.pcall('GET', KEYS[1])) or ''
local stood = redis.call('HGET', KEYS[2], '')
if stood ~= ARGV[3] then
  return stood == ARGV[4] and current == ARGV[2] and 'already' or false
end
if current ~= ARGV[1] then return 'again' end
redis.call('UNLINK', KEYS[1], unpack(KEYS, 3))
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], '', ARGV[4])
return 'done'
"""
)
"""Keys: pointer, fresh hash, and the former hash if there is one.

Arguments: the current generation (empty: none), the fresh one, its checkpoint before and after.
"""

MAKE_ROOM: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('HGET', KEYS[2], '') ~= ARGV[2] then
  return false
end
redis.call('UNLINK', KEYS[1], KEYS[3])
return 1
""")
"""Keys: pointer, fresh hash, the current hash. Arguments: current generation, fresh checkpoint."""

DESCRIBE: Final = Script("""
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
""")
"""Keys: a hash that has no field of empty name. Arguments: fields and values, a few.

A service that starts on a full server must get beyond this, or it never frees anything.
"""

ANNOUNCE: Final = Script(
    ABSENT_OR
    + """
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
if (absent_or(redis.pcall('GET', KEYS[1])) or '') ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
return 1
"""
)
"""Keys: the list of processes, one of them.

Arguments: the list as it was (empty: none) and as it is to be, what the process says, the lease.
"""
