"""Find single events and prove them. Each name is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.reader.prove.covering import Covering
    from telemetry.reader.prove.find import find_event
    from telemetry.reader.prove.lineage import Lineage, LineageTracer, RecordCopy
    from telemetry.reader.prove.prover import Prover

__all__ = [
    "Covering",
    "Lineage",
    "LineageTracer",
    "Prover",
    "RecordCopy",
    "find_event",
]

_HOMES = {
    "Covering": "telemetry.reader.prove.covering",
    "Lineage": "telemetry.reader.prove.lineage",
    "LineageTracer": "telemetry.reader.prove.lineage",
    "Prover": "telemetry.reader.prove.prover",
    "RecordCopy": "telemetry.reader.prove.lineage",
    "find_event": "telemetry.reader.prove.find",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
