"""Which keys were erased, from what the output has."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from processor.dead_letters.erases import Erases
from processor.errors import FailClosed
from processor.partitions.commands_ready import require_commands_known
from processor.ports.log import Committed, Record
from processor.state.checkpoint import CommitMetadata, Stream, former_in
from processor.state.ends import End


def end(at: int, key: bytes, offset: int, command: str = "erase") -> Record:
    return Record(0, at, -1, key, None, End(command, offset, "e", 1).headers())


class Output:
    """One partition's records, and what was read of it."""

    def __init__(self, *records: Record, former: int | None = None) -> None:
        self.records = [*records]
        self.former = former
        self.read: list[tuple[int, int, int]] = []

    def erases(self) -> Erases:
        return Erases(lambda _: (0, len(self.records)), self._read, lambda _: self.former)

    def _read(self, partition: int, start: int, end: int) -> Iterator[Sequence[Record]]:
        self.read.append((partition, start, end))
        yield ()
        for record in self.records[start:end]:
            yield (record,)


def test_only_what_is_older_than_the_last_erase_of_its_key() -> None:
    output = Output(
        end(0, b"a", 9),
        Record(0, 1, -1, b"a", b"a snapshot", ()),
        end(2, b"a", 20),
        end(3, b"b", 30, "expire"),
        Record(0, 4, -1, b"c", None, ()),
    )
    with closing(output.erases()) as erases:
        assert [erases.covers(0, b"a", offset) for offset in (5, 19, 20, 21)] == [
            True,
            True,
            False,
            False,
        ]
        assert not erases.covers(0, b"b", 1)
        assert not erases.covers(0, b"c", 1)
        assert not erases.covers(0, None, 1)


def test_each_partition_is_read_once_and_then_on() -> None:
    output = Output(end(0, b"a", 9))
    with closing(output.erases()) as erases:
        assert erases.covers(0, b"a", 1)
        assert erases.covers(1, b"a", 1)
        output.records.append(end(1, b"b", 9))
        assert not erases.covers(0, b"b", 1)
        erases.read_on()
        assert erases.covers(0, b"b", 1)
        assert erases.covers(0, b"a", 1)
        erases.read_on()
        assert erases.covers(0, b"b", 1)
    assert output.read == [(0, 0, 1), (1, 0, 1), (0, 1, 2)]


def test_behind_another_input_every_letter_of_an_erased_key_may_be_older() -> None:
    """A letter of the former input has an offset that may be above the erase's."""
    with closing(Output(end(0, b"a", 9), end(1, b"b", 9), former=1).erases()) as erases:
        assert erases.covers(0, b"a", 8)
        assert not erases.covers(0, b"a", 10)
        assert erases.covers(0, b"b", 1_000)


class Offsets:
    """Answers what is committed."""

    def __init__(self, *metadata: str | None) -> None:
        self._metadata = metadata

    def committed(self, partition: int, *, stable: bool) -> Committed | None:
        assert not stable
        text = self._metadata[partition]
        return None if text is None else Committed(1, text)


def test_commands_are_sent_only_where_every_partition_knows_them() -> None:
    new = CommitMetadata("g-1", 1, Stream("c", "u", "s", "d", "k", 2, "f"), 0, former=4).encode()
    assert former_in(new) == 4
    require_commands_known(Offsets(new, new), range(2))  # type: ignore[arg-type]
    for other in (new.replace('"format":3', '"format":1'), "", "{}", None):
        assert former_in(other or "") in {None, 4}
        with pytest.raises(FailClosed, match="partition 1 was not") as refused:
            require_commands_known(Offsets(new, other), range(2))  # type: ignore[arg-type]
        assert refused.value.hint
