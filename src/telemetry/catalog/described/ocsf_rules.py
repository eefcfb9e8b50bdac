"""Writes which OCSF class and activity each type is, as rules for ``export --ocsf-rules``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from telemetry.catalog.described.described_catalog import DescribedCatalog
from telemetry.catalog.policy import SEVERITIES


def rule_tables(catalog: DescribedCatalog) -> list[dict[str, Any]]:
    """Return a table for each type that names a class."""
    return [
        {"type": kind.name, "class_uid": kind.ocsf[0], "activity_id": kind.ocsf[1]}
        | ({"severity_id": SEVERITIES[kind.severity]} if kind.severity is not None else {})
        for kind in catalog.types.values()
        if kind.ocsf is not None
    ]


def to_rules(catalog: DescribedCatalog) -> str:
    """Return the rules as TOML."""
    return "\n".join(_lines(catalog))


def _lines(catalog: DescribedCatalog) -> Iterator[str]:
    yield f"# OCSF classes of {' '.join(catalog.name.split())}, version {' '.join(catalog.version.split())}."
    for table in rule_tables(catalog):
        yield ""
        yield "[[rule]]"
        for key, value in table.items():
            # A string of JSON is one of TOML, where no character beyond U+FFFF is escaped; the encoder escapes none.
            yield f"{key} = {msgspec.json.encode(value).decode()}"
    yield ""
