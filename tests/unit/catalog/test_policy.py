from __future__ import annotations

from telemetry.catalog.policy import Policy


def test_the_stricter_policy_wins_in_each_respect() -> None:
    loose, strict = Policy("accepted", "count", 60.0), Policy("delivered", "block", 5.0)

    assert loose.tightened(strict) == strict.tightened(loose) == strict
    assert Policy("durable", "raise").tightened(Policy("accepted", "count")) == Policy("durable", "raise")
    assert Policy("transactional").tightened(Policy("delivered")).delivery == "transactional"
