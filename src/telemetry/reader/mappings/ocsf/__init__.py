"""Converts opened events to the Open Cybersecurity Schema Framework, version 1.3.0 (schema.ocsf.io/1.3.0)."""

from telemetry.reader.mappings.ocsf.mapping import OCSF, OcsfMapping, ocsf_by_rules, to_ocsf

__all__ = ["OCSF", "OcsfMapping", "ocsf_by_rules", "to_ocsf"]
