"""Knows the names of all metrics as Prometheus shows them, from the code that creates them."""

from __future__ import annotations

import re
from pathlib import Path

import telemetry

_CREATES = re.compile(r"create_|TallyInstruments")
_NAME = re.compile(r'"(audit\.[a-z_]+(?:\.[a-z_]+)*)"')
_HISTOGRAMS = ("audit_encryption_duration_ms", "audit_batch_size_events", "audit_gateway_request_seconds")
_SERIES_OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")
_USED = re.compile(r"\baudit_[a-z_]+")


def series_names() -> set[str]:
    """Return the names of all series that any process of this library can have."""
    source = Path(telemetry.__file__).parent
    names = {
        name.replace(".", "_")
        for module in source.rglob("*.py")
        if _CREATES.search(text := module.read_text("utf-8"))
        for name in _NAME.findall(text)
    }
    histograms = {name + end for name in _HISTOGRAMS for end in _SERIES_OF_A_HISTOGRAM}
    assert names.issuperset(_HISTOGRAMS)
    return names.difference(_HISTOGRAMS) | histograms


def used_names(expression: str) -> set[str]:
    """Return the names of the library's series in an expression."""
    return set(_USED.findall(expression))
