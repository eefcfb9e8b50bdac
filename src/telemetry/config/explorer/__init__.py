"""Configures ``telemetry explore``."""
