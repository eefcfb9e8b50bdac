"""Fetch records from Kafka in a process of its own, whose memory is bounded (docs/adr)."""
