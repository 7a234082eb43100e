"""A real Kafka and a real Valkey as plain processes, for development, the demo and the tests."""
