"""Configures ``telemetry serve``."""
