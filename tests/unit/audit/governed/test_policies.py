from __future__ import annotations

from enum import StrEnum
from typing import Any

from telemetry.audit.governed.policies import Policies
from telemetry.catalog.policy import Policy
from telemetry.config.event_policy import EventPolicyConfig
from tests.unit.catalog.shop_catalog import catalog


class Types(StrEnum):
    REFUNDED = "order.refunded"


def table(pattern: str, **values: Any) -> EventPolicyConfig:
    return EventPolicyConfig(type=pattern, **values)


def test_configuration_tightens_and_never_loosens() -> None:
    policies = Policies(
        catalog, [table("order.*", delivery="accepted"), table("mail.*", delivery="delivered", on_failure="raise")]
    )

    assert policies.of("order.refunded") == Policy("durable", "raise", 30.0)
    assert policies.of("mail.sent") == Policy("delivered", "raise", 30.0)
    assert policies.of("profile.viewed") == Policy()


def test_strictest_of_several_tables_counts() -> None:
    policies = Policies(
        None, [table("a.*", delivery="durable"), table("*.b", on_failure="block", block_seconds=5.0), table("c")]
    )

    assert policies.of("a.b") == Policy("durable", "block", 5.0)
    assert policies.of("x.y") is None


def test_type_of_any_kind_has_the_policy_of_its_text() -> None:
    policies = Policies(catalog, [])

    assert policies.of(Types.REFUNDED) == policies.of("order.refunded")
    assert policies.of(7) is None  # type: ignore[arg-type]


def test_bracket_is_a_plain_character() -> None:
    policies = Policies(None, [table("a[b]", delivery="durable")])

    assert policies.of("a[b]") is not None
    assert policies.of("ab") is None


def test_many_types_do_not_fill_the_memory() -> None:
    policies = Policies(None, [])
    for number in range(10_000):
        policies.of(str(number))

    assert len(policies._known) <= 4_096
