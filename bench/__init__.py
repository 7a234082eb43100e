"""The benchmark: a real Kafka, a real Valkey, and the service as a real process."""
