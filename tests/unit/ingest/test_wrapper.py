from __future__ import annotations

from typing import Any

import pytest

from telemetry.ingest.wrapper import wrapped_list

ITEM: dict[str, Any] = {"n": 1}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"Records": [ITEM]}, "Records"),
        ({"Records": []}, "Records"),
        ({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": [ITEM, ITEM]}, "items"),
        ({"@odata.context": "x", "@odata.nextLink": "y", "value": [ITEM]}, "value"),
        ({"entries": [ITEM], "response_metadata": {"next_cursor": ""}}, "entries"),
    ],
)
def test_wrapper_names_its_list(value: Any, name: str) -> None:
    assert wrapped_list(value) == name


@pytest.mark.parametrize(
    "value",
    [
        {"event_type": "order", "items": [ITEM]},
        {"event_type": "order", "items": []},
        {"Records": [1, 2]},
        {"Records": ITEM},
        {"items": [ITEM], "value": [ITEM]},
        {"resources": [ITEM]},
        [ITEM],
        None,
    ],
)
def test_event_is_no_wrapper(value: Any) -> None:
    assert wrapped_list(value) is None
