"""The write side: from ``log()`` to Kafka, or to the fallback store."""
