"""Read raw records from Kafka, the fallback store, and files."""
