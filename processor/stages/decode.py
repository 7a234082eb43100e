"""Decode: from a record's bytes to an update. Bytes stop here. Rules 1 to 3 of the contract."""

from processor.avro.codec import UpdateCodec
from processor.avro.framing import DecodeError, framed
from processor.core.outcome import Reason, Rejected
from processor.core.session import session_key
from processor.core.update import SessionUpdate
from processor.core.validate import validate
from processor.ports.log import Record


class Decode:
    """Never raises for what a record holds, and allocates no more than in proportion to it."""

    def __init__(self, updates: UpdateCodec) -> None:
        self._updates = updates

    def __call__(self, record: Record) -> SessionUpdate | Rejected:
        """Return the record's update, valid and with its total settled, or why there is none."""
        if record.value is None:
            return Rejected(Reason.UNDECODABLE, "the record has no value")
        try:
            value = framed(record.value, record.headers) if record.headers else record.value
            update = self._updates.read(value, record.offset)
        except DecodeError as error:
            return Rejected(Reason.UNDECODABLE, str(error))
        key = session_key(update.application_id, update.integration_id)
        if record.key != key.encode():
            return Rejected(Reason.KEY_MISMATCH, f"the key is {record.key!r}, not {key}")
        valid = validate(update)
        if isinstance(valid, str):
            return Rejected(Reason.INVALID_VALUE, valid)
        return valid
