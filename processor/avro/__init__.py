"""Avro at the edges: schemas, framing, and the codec between bytes and the domain's values."""
