"""Returns the pipeline of a process as the class that sends to Kafka, for tests that look into its parts."""

from __future__ import annotations

from telemetry.audit.pipeline import AuditPipeline
from telemetry.audit.runtime import Runtime


def sending_pipeline(runtime: Runtime) -> AuditPipeline:
    """Return the running pipeline; one that sends nothing fails the test."""
    pipeline = runtime.pipeline()
    assert isinstance(pipeline, AuditPipeline)
    return pipeline
