"""What the compiled codec allocates is in proportion to the bytes, whatever they say."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from avro_bytes import (
    ATTRIBUTES,
    HEADER,
    IDENTIFIERS,
    ITEM_FIELDS,
    needs_compiled,
    required,
    text,
    varint,
)

pytestmark = needs_compiled
ITEM = text("Mug") + text("mug") + varint(1) + struct.pack("<d", 9.5) + bytes(7)
LINE = ITEM[:-1] + varint(1)
PLENTY = 500_000
SWOLLEN = {
    "identifiers": IDENTIFIERS + varint(PLENTY) + bytes(PLENTY),
    "attributes": ATTRIBUTES + varint(PLENTY) + bytes(2 * PLENTY),
    "a line's attributes": ITEM_FIELDS + (varint(1) + LINE + varint(PLENTY) + bytes(2 * PLENTY)),
    "a cart": ITEM_FIELDS + varint(PLENTY) + ITEM * (PLENTY // 25),
    "a count": ITEM_FIELDS + varint(2**60) + bytes(PLENTY),
}
MEASURE = """
import resource, sys, session_processor_codec
from pathlib import Path
value = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
codec = session_processor_codec.Codec()
assert codec.read([(0, 40, 0, b"7:visit", value, ())], b"") == [None]
used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
assert used < 64 * len(value) + (1 << 20), used / len(value)
"""


@pytest.mark.parametrize("tail", SWOLLEN.values(), ids=SWOLLEN)
def test_memory_is_a_small_multiple_of_the_bytes(tail: bytes, tmp_path: Path) -> None:
    """Run apart: what the compiled codec allocates is seen by the system alone."""
    file = tmp_path / "value"
    file.write_bytes(required()[len(HEADER) :] + tail)
    subprocess.run([sys.executable, "-c", MEASURE, str(file)], check=True, timeout=60)
