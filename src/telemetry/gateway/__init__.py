"""Takes events of services in any language over HTTP: ``telemetry serve``."""
