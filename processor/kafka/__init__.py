"""Kafka, behind the protocols of `processor.ports.log`."""
