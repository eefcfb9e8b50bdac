"""Open the trail for reading, and record each read in it. Each name is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.trail.trail import Trail, open_trail

__all__ = ["Trail", "open_trail"]

_HOMES = {"Trail": "telemetry.trail.trail", "open_trail": "telemetry.trail.trail"}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
