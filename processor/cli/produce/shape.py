"""What a source is that is not JSON lines, seen from its beginning."""

import json
from typing import BinaryIO, Final

from processor.errors import InputError

_HEAD: Final = 64 * 1024

_MAGIC: Final = {
    b"\x1f\x8b": ("compressed (gzip)", "zcat FILE > updates.jsonl"),
    b"\x28\xb5\x2f\xfd": ("compressed (zstd)", "zstdcat FILE > updates.jsonl"),
    b"BZh": ("compressed (bzip2)", "bzcat FILE > updates.jsonl"),
    b"\xfd7zXZ": ("compressed (xz)", "xzcat FILE > updates.jsonl"),
    b"PK\x03\x04": ("an archive (zip)", "unzip -p FILE > updates.jsonl"),
    b"Obj\x01": ("an Avro container", "write its records as JSON lines"),
    b"\xff\xfe": ("UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > updates.jsonl"),
    b"\xfe\xff": ("UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > updates.jsonl"),
    b"{\0": ("UTF-16", "iconv -f UTF-16LE -t UTF-8 FILE > updates.jsonl"),
    b"\0{": ("UTF-16", "iconv -f UTF-16BE -t UTF-8 FILE > updates.jsonl"),
}
_ARRAY: Final = ("one JSON array", "jq -c '.[]' FILE > updates.jsonl")
_SPREAD: Final = ("JSON over several lines", "jq -c . FILE > updates.jsonl")


def require_lines(file: BinaryIO) -> None:
    """Raise InputError, with the remedy, for a file that has not one JSON object in each line.

    A line alone that is bad is not told here.
    """
    file.seek(0)
    head = file.read(_HEAD)
    known = [told for magic, told in _MAGIC.items() if head.startswith(magic)]
    wrong = known[0] if known else _spread(head.decode("utf-8-sig", errors="replace").strip())
    if wrong:
        what, remedy = wrong
        raise InputError(
            f"the input is {what}, not one JSON object in each line; nothing was sent",
            hint=f"for example: {remedy}",
        )


def _spread(text: str) -> tuple[str, str] | None:
    """Return what JSON is whose first line is not one value with others behind it."""
    first, _, rest = text.partition("\n")
    if text.startswith("[") and not (rest and _is_json(first)):
        return _ARRAY
    first = first.rstrip()
    member = first.endswith(("{", ",")) and rest.lstrip().startswith(('"', "}"))
    opens = first.startswith("{") and (member or (rest and first.endswith(("[", ":"))))
    return _SPREAD if opens else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
