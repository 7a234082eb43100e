"""The semantic conventions that spans follow: OpenTelemetry's of messaging, in one version.

https://opentelemetry.io/docs/specs/semconv/messaging/kafka/ (status: development)

A record's span is "Process" of a single message. So it may be, and is, a child of the context that
its producer gave it; it links to that context and to the span of its batch. The batch's span is
"Process" of many: it begins a trace of its own and links to the context of each. Of what the
conventions recommend, the message's key is left out: no span names a key, a profile or an event.
"""

from typing import Final

VERSION: Final = "1.44.0"
SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{VERSION}"

SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION_NAME: Final = "messaging.destination.name"
PARTITION_ID: Final = "messaging.destination.partition.id"
CONSUMER_GROUP: Final = "messaging.consumer.group.name"
BATCH_COUNT: Final = "messaging.batch.message_count"
KAFKA_OFFSET: Final = "messaging.kafka.offset"
ERROR_TYPE: Final = "error.type"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"

KAFKA: Final = "kafka"
PROCESS: Final = "process"

OUTCOME: Final = "session_processor.outcome"
"""Ours: what became of the record, as the metric `session_processor_records_total` has it."""
SAMPLED: Final = "session_processor.sampled_records"
"""Ours: how many records of the batch have spans; OTEL_SPAN_LINK_COUNT_LIMIT bounds its links."""
