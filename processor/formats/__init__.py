"""What updates may come in beside Avro: how a record's format is told, and how JSON is read."""
