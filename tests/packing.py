"""What the compiled codec makes of records in any format, held to what Python makes of them."""

from avro_bytes import COMMANDS, FAST, HEADER, SCHEMAS, SNAPSHOTS, folded

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import EncodedUpdate
from processor.core.fold import fold
from processor.core.outcome import Accepted, Duplicate, Rejected
from processor.core.session import Session
from processor.formats.names import FORMATS
from processor.formats.updates import Updates
from processor.ports.log import Record
from processor.stages.decode import Decode

UPDATES = UpdateCodec(SCHEMAS.updates)
_READ = Decode(Updates(UPDATES), COMMANDS)


def packed_alike(
    record: Record, before: Session | None = None, holder: str | None = None
) -> EncodedUpdate | None:
    """Return what the compiled codec reads, None where it leaves that to Python or is absent.

    Asserts that its snapshot is that of Python, and that of the same update in Avro.
    """
    if FAST is None:
        return None
    (packed,) = FAST.read([record], HEADER, FORMATS)
    if packed is None:
        return None
    update = _READ.update(record)
    assert not isinstance(update, Rejected), (record, update)
    avro = record._replace(value=UPDATES.write(update), headers=())
    (same,) = FAST.read([avro], HEADER)
    assert same is not None, record
    outcome = fold(before, update, holder)
    wanted: tuple[bytes, bool] | None
    if isinstance(outcome, Accepted):
        wanted = SNAPSHOTS.write(outcome.session), outcome.claim is not None
    else:
        wanted = (b"", False) if isinstance(outcome, Duplicate) else None
    snapshot = None if before is None else SNAPSHOTS.write(before)
    for each in (packed, same):
        assert folded(each, snapshot, holder) == wanted, record
    assert packed.profile == same.profile
    return packed
