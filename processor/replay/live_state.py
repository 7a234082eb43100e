"""What there is to replay, and from which state: asked of the live topics, nothing changed."""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

from processor.errors import FailClosed
from processor.formats.names import joined, split
from processor.ports.log import Coordination, Scan, Topic
from processor.replay.bounds import Point, Standing
from processor.replay.exact import ExactStart, Values
from processor.replay.plan import LiveOutput, Plan, Range
from processor.replay.seed import processed
from processor.replay.spill import SpilledLacking, SpilledSeen
from processor.state.checkpoint import CommitMetadata, ForeignText, Stream

_SAMPLE: Final = 500

OnProgress = Callable[[int, int, int], None]
"""Called with a partition, the offsets that were read of its topics, and those there are."""


class LiveState:
    """Looks at the live service's topics and offsets. Raises what the ports raise."""

    def __init__(self, stream: Stream, coordination: Coordination, scan: Scan) -> None:
        self._stream = stream
        self._coordination = coordination
        self._scan = scan

    def look(self) -> tuple[dict[int, Standing], dict[int, LiveOutput]]:
        """Return how each partition stands, and its output as of what is committed.

        Raises FailClosed where an offset was committed by something else.
        """
        found, outputs = {}, {}
        for partition in range(self._stream.partitions):
            updates = self._coordination.extent(Topic.UPDATES, partition)
            committed = self._coordination.committed(partition, stable=False)
            if committed is None:
                found[partition] = Standing(updates, None, 0)
                outputs[partition] = LiveOutput(0, 0)
                continue
            metadata = self._metadata(partition, committed.metadata)
            promoted = 0 if metadata.promoted is None else metadata.promoted.offset
            found[partition] = Standing(updates, committed.offset, promoted)
            outputs[partition] = LiveOutput(metadata.output, metadata.former or 0)
        return found, outputs

    def claims_ends(self) -> dict[int, int]:
        """Return where the live claims end now."""
        count = self._coordination.partitions(Topic.CLAIMS)
        return {
            partition: self._coordination.extent(Topic.CLAIMS, partition).end
            for partition in range(count)
        }

    def inexact(
        self,
        ranges: Mapping[int, Range],
        outputs: Mapping[int, LiveOutput],
        values: Values,
        on_progress: OnProgress,
    ) -> list[Point]:
        """Return the starts as of which compaction has removed a state that would be needed.

        Reads the whole output, and the input from the starts on for commands, but for partitions
        that begin with nothing.
        """
        refused = []
        for partition, (start, _) in ranges.items():
            if start == 0 and not outputs[partition].former:
                continue
            exact = self._exact(partition, start, outputs[partition], values, on_progress)
            if not exact.exact:
                refused.append(Point(partition, exact.why, exact.earliest))
        return refused

    def bytes_each(self, partition: int, asked: Range) -> float:
        """Return how many bytes of key and value a record has, by the first few of the range."""
        taken = [0]
        for records in self._scan.read(Topic.UPDATES, partition, asked.start, asked.end):
            taken += [len(each.key or b"") + len(each.value or b"") for each in records]
            if len(taken) > _SAMPLE:
                break
        return sum(taken) / max(1, len(taken) - 1)

    def extended(self, plan: Plan) -> Plan:
        """Return the plan with the ends of now. Raises FailClosed for another stream."""
        self.require_same(plan)
        found, outputs = self.look()
        ranges = {
            partition: Range(each.start, max(each.end, found[partition].committed or 0))
            for partition, each in plan.ranges.items()
        }
        ends = {partition: each.end for partition, each in outputs.items()}
        return plan._replace(ranges=ranges, output_ends=ends, claims_ends=self.claims_ends())

    def require_same(self, plan: Plan) -> None:
        """Raise FailClosed unless the live topics are those that the plan was made of.

        Formats are the plan's, whatever is read by now.
        """
        if plan.stream._replace(formats=self._stream.formats) != self._stream:
            raise FailClosed(
                f"replay {plan.name} is of other topics: those of today were created since, or the "
                "settings name others",
                hint="Use the settings that it was begun with, or drop it and begin another.",
            )

    def require_promotable(self, plan: Plan) -> None:
        """Raise FailClosed for other topics, and unless all the plan's formats are read live.

        What is promoted is committed with the live formats, and rests on the plan's.
        """
        self.require_same(plan)
        if not self._stream.goes_on_from(plan.stream):
            raise FailClosed(
                f"replay {plan.name} reads updates as {plan.stream.formats}, and "
                f"PROCESSOR_INPUT_FORMATS is {self._stream.formats}: its sessions rest on updates "
                "that the service would reject",
                hint="Set PROCESSOR_INPUT_FORMATS to "
                f"{joined(split(plan.stream.formats) | split(self._stream.formats))}, here and for "
                "the service, or drop the replay and begin another with the formats of today.",
            )

    def _exact(
        self,
        partition: int,
        start: int,
        output: LiveOutput,
        values: Values,
        on_progress: OnProgress,
    ) -> ExactStart:
        end = output.end
        last = max(start, processed(self._coordination, partition))
        whole = last - start + end
        with closing(SpilledSeen()) as before, closing(SpilledLacking()) as lacking:
            exact = ExactStart(start, before, lacking)
            for records in self._scan.read(Topic.UPDATES, partition, start, last):
                lacking.add(records, values.is_command)
                if records:
                    on_progress(partition, records[-1].offset + 1 - start, whole)
            for records in self._scan.read(Topic.SESSIONS, partition, 0, end):
                for record in records:
                    exact.take(record, values.seen, output.former)
                if records:
                    on_progress(partition, last - start + records[-1].offset + 1, whole)
            on_progress(partition, whole, whole)
            now = self._coordination.extent(Topic.SESSIONS, partition).end
            for records in self._scan.read(Topic.SESSIONS, partition, end, now):
                for record in records:
                    exact.take(record, values.seen, 0)
            exact.finish()
        return exact

    def _metadata(self, partition: int, text: str) -> CommitMetadata:
        try:
            metadata = CommitMetadata.decode(text, self._stream.cluster)
        except ForeignText:
            metadata = None
        if metadata is None or not self._stream.goes_on_from(metadata.stream):
            raise FailClosed(
                f"the live offset of partition {partition} was not committed by this service, or "
                "for other topics, or reading formats that PROCESSOR_INPUT_FORMATS does not name: "
                "what was published up to there is not known",
                hint="Run `session-processor offsets show`.",
            )
        return metadata
