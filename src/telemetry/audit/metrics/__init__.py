"""Report the pipeline to OpenTelemetry."""
