from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telemetry.cli.options.bundle import with_bundle

received: list[tuple[Any, ...]] = []


def command(shared: Mapping[str, Any], *, own: int = 1) -> None:
    received.append((dict(shared), own))


@dataclass
class Values:
    """A bundle whose argument is the values as they are."""

    parameter: str
    options: Mapping[str, tuple[Any, Any]]

    def build(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return dict(values)


BUNDLE = Values("shared", {"since": (str | None, None), "late": (str, "7d")})


def test_options_arrive_as_one_argument() -> None:
    with_bundle(command, BUNDLE)(since="2h", late="1d", own=3)

    assert received.pop() == ({"since": "2h", "late": "1d"}, 3)


def test_signature_shows_the_options_in_its_place() -> None:
    parameters = inspect.signature(with_bundle(command, BUNDLE)).parameters

    assert list(parameters) == ["own", "since", "late"]
    assert parameters["own"].annotation is int
    assert (parameters["late"].annotation, parameters["late"].default) == (str, "7d")


def test_two_bundles_are_kept_apart() -> None:
    def both(first: Any, second: Any) -> None:
        received.append((first, second))

    inner = with_bundle(both, Values("first", {"one": (int, 1)}))
    outer = with_bundle(inner, Values("second", {"two": (int, 2)}))
    outer(one=10, two=20)

    assert received.pop() == ({"one": 10}, {"two": 20})
