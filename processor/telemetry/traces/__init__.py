"""Spans by OpenTelemetry. Its packages, the extra `otel`, are imported here and nowhere else."""
