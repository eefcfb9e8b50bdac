"""What the write side and the read side share of Kafka: settings, errors, the client's log."""
