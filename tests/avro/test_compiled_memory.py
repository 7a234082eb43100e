"""What the compiled codec allocates is in proportion to the bytes, whatever they say."""

import pickle
import struct
import subprocess
import sys
from pathlib import Path

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
HUGE = 2_000_000
OPEN = b'{"eventId":"e","eventTime":1,"applicationId":7,"integrationId":"visit",'
TEXTS = {
    "an identifier": OPEN + b'"identifiers":[' + b'"",' * (HUGE // 3) + b"1",
    "an attribute": OPEN + b'"attributes":{' + b'"":1,' * (HUGE // 5) + b'"":1}}',
    "a discount": OPEN + b'"discounts":{' + b'"":null,' * (HUGE // 8) + b'"":1}}',
    "an item": OPEN + b'"cartItems":[' + b"{}," * (HUGE // 3) + b"{}]}",
    "a whole item": OPEN
    + b'"cartItems":['
    + b'{"name":"","sku":"s","quantity":1,"price":1},' * (HUGE // 45)
    + b"1",
    "an item's measures": OPEN + b'"cartItems":[{"weight":' + b"1" * HUGE,
    "an extension": b'{"specversion":"1.0",' + b'"":1,' * (HUGE // 5) + b'"":1}',
    "depth": OPEN + b'"attributes":{"a":' + b"[" * HUGE,
    "depth of all": b"[" * HUGE,
    "escapes": OPEN + b'"coupon":"' + b"\\u00e9" * (HUGE // 6) + b"\\ud800",
    "digits": OPEN + b'"total":' + b"9" * HUGE + b"}",
    "an exponent": OPEN + b'"total":1e' + b"9" * HUGE + b"}",
    "an integer": b'{"applicationId":' + b"9" * HUGE + b"}",
    "a fraction of a second": b'{"eventTime":"2026-03-01T12:00:00.' + b"9" * HUGE + b'"}',
    "space": OPEN + b" " * HUGE,
}
MEASURE = """
import os, pickle, resource, sys, session_processor_codec
highest = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
codec = session_processor_codec.Codec()
for name, value, kind in pickle.load(open(sys.argv[1], "rb")):
    header = b"" if kind == "avro" else b"\\xc3\\x01"
    record = (0, 40, 0, b"7:visit", value, [("content-type", kind.encode())])
    child = os.fork()  # each begins with what stands now as its highest
    if child == 0:
        before = highest()
        read = codec.read([record], header, ("json", "cloudevents"))
        used = highest() - before
        sound = read == [None] and used < 64 * len(value) + (1 << 20)
        os._exit(not sound)
    assert os.waitpid(child, 0)[1] == 0, name
"""


def test_memory_is_a_small_multiple_of_the_bytes(tmp_path: Path) -> None:
    """Run apart: what the compiled codec allocates is seen by the system alone, as its highest."""
    avro = [(name, required()[len(HEADER) :] + tail, "avro") for name, tail in SWOLLEN.items()]
    texts = [(name, text, "application/json") for name, text in TEXTS.items()]
    event = ("an event", TEXTS["an extension"], "application/cloudevents+json")
    file = tmp_path / "cases"
    file.write_bytes(pickle.dumps([*avro, *texts, event]))
    subprocess.run([sys.executable, "-c", MEASURE, str(file)], check=True, timeout=60)
