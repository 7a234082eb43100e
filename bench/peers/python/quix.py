"""The job with Quix Streams: exactly once, RocksDB, a commit each 100 ms.

Arguments: bootstrap servers, group, input topic, output topic, state directory, partitions.
"""

import sys

from essentials import fold
from quixstreams import Application, State, message_context
from quixstreams.models import TopicConfig


def main() -> None:
    bootstrap, group, updates, sessions, directory, partitions = sys.argv[1:]
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
    sink = application.topic(sessions, value_serializer="bytes", config=config)

    def folded(value: bytes, state: State) -> bytes | None:
        snapshot: bytes | None = fold(state.get_bytes("session"), value, message_context().offset)
        if snapshot is not None:
            state.set_bytes("session", snapshot)
        return snapshot

    frame = application.dataframe(source).apply(folded, stateful=True)
    frame = frame.filter(lambda snapshot: snapshot is not None)
    frame.to_topic(sink)
    application.run()


if __name__ == "__main__":
    main()
