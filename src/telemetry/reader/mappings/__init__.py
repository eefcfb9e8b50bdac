"""Convert opened events to published forms: the library's own, CloudEvents, OCSF, CADF and ECS."""

from telemetry.reader.mappings.cadf import CADF, cadf_by_rules, to_cadf
from telemetry.reader.mappings.cloudevents import CLOUDEVENTS, to_cloudevent
from telemetry.reader.mappings.ecs import ECS, ecs_by_rules, to_ecs
from telemetry.reader.mappings.event import EVENT, event_record
from telemetry.reader.mappings.ocsf import OCSF, ocsf_by_rules, to_ocsf
from telemetry.reader.mappings.table import Column, Schema, row_of

SCHEMAS = {schema.name: schema for schema in (EVENT, CLOUDEVENTS, OCSF, CADF, ECS)}
"""Schemas by the name that the command uses."""

__all__ = [
    "CADF",
    "CLOUDEVENTS",
    "ECS",
    "EVENT",
    "OCSF",
    "SCHEMAS",
    "Column",
    "Schema",
    "cadf_by_rules",
    "ecs_by_rules",
    "event_record",
    "ocsf_by_rules",
    "row_of",
    "to_cadf",
    "to_cloudevent",
    "to_ecs",
    "to_ocsf",
]
