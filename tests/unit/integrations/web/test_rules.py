from __future__ import annotations

from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.integrations.web.rules import RequestRules
from telemetry.outcome import Outcome


def wanted(rules: RequestRules, outcome: Outcome = "success") -> str:
    methods = ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "WEBSOCKET", "PURGE")
    return " ".join(name for name in methods if rules.wants(name, route="/x", path="/x", outcome=outcome))


def test_writes_are_all_methods_that_are_not_safe() -> None:
    rules = RequestRules()

    assert wanted(rules) == "POST PUT PATCH DELETE WEBSOCKET PURGE"
    assert wanted(rules, "failure") == wanted(rules)
    assert wanted(rules, "denied") == "GET HEAD TRACE POST PUT PATCH DELETE WEBSOCKET PURGE"


def test_named_methods_and_what_belongs_to_them() -> None:
    rules = RequestRules(methods={"get", "DELETE"})

    assert wanted(rules) == "GET HEAD DELETE"
    assert "OPTIONS" not in wanted(rules, "denied")
    assert rules.methods == ["DELETE", "GET"]


def test_all_methods() -> None:
    assert len(wanted(RequestRules(methods="all")).split()) == 10


@pytest.mark.parametrize(
    ("route", "path", "is_wanted"),
    [
        ("/orders/{order_id}", "/orders/7", True),
        ("/orders/{order_id}/notes", "/orders/7/notes", False),
        ("/health", "/health", False),
        (None, "/orders/7", True),
        (None, "/favicon.ico", False),
    ],
)
def test_patterns_see_the_template_else_the_path(route: str | None, path: str, is_wanted: bool) -> None:
    rules = RequestRules(include=["/orders/*"], exclude=["/health", "*/notes"])

    assert rules.wants("POST", route=route, path=path, outcome="success") is is_wanted


def test_excluded_route_is_not_recorded_when_denied() -> None:
    assert not RequestRules(exclude="/x").wants("POST", route="/x", path="/x", outcome="denied")


@pytest.mark.parametrize(
    "options", [{"methods": ["GE T"]}, {"methods": "reads"}, {"methods": []}, {"include": [""]}, {"exclude": [7]}]
)
def test_what_is_no_rule_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RequestRules(**options)


def test_many_stars_meet_a_long_path() -> None:
    rules = RequestRules(include=["*a*a*a*a*a*a*b"])

    assert not rules.wants("POST", route=None, path="a" * 1_000_000, outcome="success")
