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
            update = self._updates.read(record.value, record.offset)
        except DecodeError as error:
            return Rejected(Reason.UNDECODABLE, str(error))
        key = session_key(update.application_id, update.integration_id)
        if record.key != key.encode():
            return Rejected(Reason.KEY_MISMATCH, f"the key is {record.key!r}, not {key}")
        valid = validate(update)
        if isinstance(valid, str):
            return Rejected(Reason.INVALID_VALUE, valid)
        return valid


class DecodeWithHeaders:
    """Decodes records that may carry their schema's id in a header. Raises as `Decode` does."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode

    def __call__(self, record: Record) -> SessionUpdate | Rejected:
        """Return what `Decode` makes of the record, with the framing where it else stands."""
        if record.headers and record.value is not None:
            try:
                record = record._replace(value=framed(record.value, record.headers))
            except DecodeError as error:
                return Rejected(Reason.UNDECODABLE, str(error))
        return self._decode(record)
