"""Encrypted audit logging: sealed in the process, sent to Kafka, never silently lost, verifiable offline."""

__version__ = "0.1.0"
