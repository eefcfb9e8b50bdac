"""Find out why Kafka cannot be used, and say what to do."""
