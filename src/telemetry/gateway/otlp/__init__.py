"""Reads log records in the two encodings of OTLP/HTTP, and maps each to the arguments of ``log()``."""
