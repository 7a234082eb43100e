"""The job with Quix Streams: exactly once, RocksDB, a commit each 100 ms.

Arguments: bootstrap servers, group, topics of input, output and dead letters, state directory,
partitions.
"""

import sys
from typing import Any, NamedTuple

from essentials import Headers, fold, letter_headers
from quixstreams import Application, State, message_context
from quixstreams.models import TopicConfig


class Letter(NamedTuple):
    """A rejected update."""

    reason: str
    value: bytes | None


def main() -> None:
    bootstrap, group, updates, sessions, letters, directory, partitions = sys.argv[1:]
    application = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.1,
        state_dir=directory,
        loglevel="WARNING",
    )
    # The partition count names the changelog's too.
    config = TopicConfig(int(partitions), 1)
    source = application.topic(updates, value_deserializer="bytes", config=config)
    output = application.topic(sessions, value_serializer="bytes", config=config)
    dead = application.topic(letters, value_serializer="bytes", config=config)

    def folded(value: bytes | None, state: State) -> bytes | Letter | None:
        outcome = fold(state.get_bytes("session"), value, message_context().offset)
        if isinstance(outcome, str):
            return Letter(outcome, value)
        if outcome is not None:
            state.set_bytes("session", outcome)
        return outcome

    def headers(letter: Letter, _key: Any, _timestamp: int, given: Headers) -> Headers:
        at = message_context()
        return [*given, *letter_headers(letter.reason, updates, at.partition, at.offset)]

    outcomes = application.dataframe(source).apply(folded, stateful=True)
    outcomes.filter(lambda outcome: isinstance(outcome, bytes)).to_topic(output)
    rejected = outcomes.filter(lambda outcome: isinstance(outcome, Letter)).set_headers(headers)
    rejected.apply(lambda letter: letter.value).to_topic(dead)
    application.run()


if __name__ == "__main__":
    main()
