"""Says what a person sees of one event: a sentence, its fields, how things changed, and its payload. Each name is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.pages.event.differences import Change, changes
    from telemetry.pages.event.listing import Field, fields
    from telemetry.pages.event.payload_tree import Node, tree
    from telemetry.pages.event.wording import row_sentence, sentence

__all__ = [
    "Change",
    "Field",
    "Node",
    "changes",
    "fields",
    "row_sentence",
    "sentence",
    "tree",
]

_HOMES = {
    "Change": "telemetry.pages.event.differences",
    "changes": "telemetry.pages.event.differences",
    "Field": "telemetry.pages.event.listing",
    "fields": "telemetry.pages.event.listing",
    "Node": "telemetry.pages.event.payload_tree",
    "tree": "telemetry.pages.event.payload_tree",
    "row_sentence": "telemetry.pages.event.wording",
    "sentence": "telemetry.pages.event.wording",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
