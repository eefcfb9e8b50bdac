"""Knows the Open Cybersecurity Schema Framework: its classes, their attributes, and which values fit them."""

from telemetry.reader.mappings.ocsf_schema.complete import Completed, complete
from telemetry.reader.mappings.ocsf_schema.published import (
    OTHER,
    VERSION,
    Attribute,
    EventClass,
    ObjectType,
    Published,
    published,
)
from telemetry.reader.mappings.ocsf_schema.values import fit

__all__ = [
    "OTHER",
    "VERSION",
    "Attribute",
    "Completed",
    "EventClass",
    "ObjectType",
    "Published",
    "complete",
    "fit",
    "published",
]
