"""Kafka's own command-line tools, as an operator would run them."""

from functools import cache

from processor.local.java import KAFKA_VERSION, jars, run_java


@cache
def _classpath(part: str, version: str = KAFKA_VERSION) -> str:
    """Return the class path of a part of Kafka; downloads what is not cached."""
    found = jars(f"org.apache.kafka:{part}:{version}")
    return ":".join(str(path) for _, path in sorted(found.items()))


def kafka_tool(
    main_class: str,
    *arguments: str,
    version: str = KAFKA_VERSION,
    stdin: str = "",
    timeout: float = 60,
) -> str:
    """Run one of Kafka's own command-line tools and return what it printed.

    `main_class` may leave out `org.apache.kafka.tools.`: `TopicCommand`, `consumer.group.
    ConsumerGroupCommand`, `consumer.ConsoleConsumer`. Raises LocalStackError if the tool fails.
    """
    part = "kafka_2.13" if main_class.startswith("kafka.") else "kafka-tools"
    if not main_class.startswith(("org.", "kafka.")):
        main_class = f"org.apache.kafka.tools.{main_class}"
    return run_java(
        main_class, arguments, classpath=_classpath(part, version), stdin=stdin, timeout=timeout
    )
