"""Speaks the protocols of the targets: Splunk's HTTP Event Collector, OTLP, plain HTTP, and object stores."""
