"""Draws pictures of a trail as SVG on the server, each with the table of its numbers. Each name is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.pages.charts.bands import Band, Lane, gaps, outages
    from telemetry.pages.charts.chart import Chart
    from telemetry.pages.charts.timeline import timeline

__all__ = ["Band", "Chart", "Lane", "gaps", "outages", "timeline"]

_HOMES = {
    "Band": "telemetry.pages.charts.bands",
    "Chart": "telemetry.pages.charts.chart",
    "Lane": "telemetry.pages.charts.bands",
    "gaps": "telemetry.pages.charts.bands",
    "outages": "telemetry.pages.charts.bands",
    "timeline": "telemetry.pages.charts.timeline",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
