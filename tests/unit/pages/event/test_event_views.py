"""What a person sees of an event: true for every valid event, bounded, and not to be forged by its values."""

from __future__ import annotations

import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.catalog.builtin import builtin
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.members import CatalogReference, Change, Dedup, SubjectReference, Target
from telemetry.pages.environment import page_environment
from telemetry.pages.event import changes, fields, row_sentence, sentence, tree
from telemetry.pages.event.differences import MAX_CHANGES
from telemetry.pages.event.known_types import KNOWN
from telemetry.pages.event.payload_tree import MAX_CHILDREN, MAX_NODES, Node
from telemetry.pages.hostile_text import short, shown
from telemetry.pages.marks import ADJUSTED, CLAIMED
from tests.support.seen_page import SeenPage


def make(event_type: str = "order.refunded", user_id: str = "ada", payload: Any = None, **more: Any) -> AuditEvent:
    return AuditEvent(
        id="01900000-0000-7000-8000-000000000001",
        time="2026-01-03T03:04:05.123456Z",
        event_type=event_type,
        user_id=user_id,
        payload=payload,
        service_name="payments",
        environment="production",
        producer="01900000-0000-7000-8000-000000000002",
        sequence=7,
        schema_version=1,
        **more,
    )


TEXT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
SIDE = JSON | st.just(msgspec.UNSET)
TYPES = (
    TEXT | st.sampled_from(sorted(KNOWN)) | st.sampled_from(["order.refunded", "user_login.intent", "iam.PutPolicy"])
)
EVENTS = st.builds(
    make,
    event_type=TYPES,
    user_id=TEXT,
    payload=JSON,
    actor_id=st.none() | TEXT,
    actor_type=st.sampled_from([None, "user", "service", "system", "anonymous"]),
    entity=st.none() | TEXT,
    entity_id=st.none() | TEXT,
    action=st.none() | TEXT,
    outcome=st.sampled_from([None, "success", "failure", "denied"]),
    ip_address=st.none() | TEXT,
    tenant_id=st.none() | TEXT,
    reason=st.none() | TEXT,
    sensitive=st.none() | st.booleans(),
    occurred_at=st.none() | TEXT,
    targets=st.lists(st.builds(Target, TEXT, st.none() | TEXT), max_size=6).map(tuple),
    changes=st.dictionaries(TEXT, st.builds(Change, SIDE, SIDE), max_size=5),
    adjusted=st.lists(st.sampled_from(["user_id", "reason"]), max_size=2).map(tuple),
)
PAGE = page_environment().from_string(
    """{% import "macros.html" as ui %}{{ said|shown }}{{ ui.field_list(fields, "Europe/Berlin") }}
{{ ui.changes_table(changes) }}{{ ui.tree(tree) }}"""
)


@given(EVENTS)
@settings(deadline=None)
def test_any_event_is_told_and_rendered(event: AuditEvent) -> None:
    told = sentence(event)
    html = PAGE.render(
        said=told,
        fields=fields(event, content_mark=CLAIMED),
        changes=changes(event),
        tree=tree(event.payload),
    )
    page = SeenPage(html)

    assert told in page.text
    assert {unicodedata.category(character) for character in told}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    assert page.addresses == []
    assert row_sentence(event.event_type, event)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (make(entity="order", entity_id="77", outcome="success"), "ada refunded order 77 (success)"),
        (make(entity="order", entity_id="77", outcome="denied"), "ada tried to refund order 77 (denied)"),
        (make("order.refund.intent", entity="order", entity_id="77"), "ada was about to refund order 77"),
        (make("order_paid"), "ada paid an order"),
        (make("user_login", outcome="success", ip_address="10.0.0.7"), "ada logged in (success) from 10.0.0.7"),
        (make("user.login_failed", outcome="failure"), "Someone failed to log in as ada (failure)"),
        (
            make("role.granted", payload={"role": "admin"}, actor_id="root", entity="user", entity_id="ada"),
            "root granted the role admin to user ada",
        ),
        (
            make(actor_id="support-7", entity="order", entity_id="77", reason="asked twice", tenant_id="acme"),
            "support-7 refunded order 77 for user ada, tenant acme, because “asked twice”",
        ),
        (
            make("user.disabled", actor_type="service", actor_id="hr-sync", entity="user", entity_id="ada"),
            "The service hr-sync disabled user ada",
        ),
        (make("policy.changed", actor_type="anonymous"), "Someone anonymous changed a policy for user ada"),
        (make("GetObject", entity="bucket", entity_id="a b"), "ada got an object on bucket “a b”"),
        (make("AssumeRole", entity="bucket", entity_id="b"), "ada did AssumeRole on bucket b"),
        (make("refund.approved", entity="order", entity_id="77"), "ada approved a refund on order 77"),
        (make("user.password.rotated", entity="user", entity_id="5"), "ada rotated a password on user 5"),
        (make("iam.policy.changed", entity="policy", entity_id="p"), "ada changed policy p"),
        (make("create_order"), "ada created an order"),
        (make("ORDER-RECORDS-DELETED"), "ada deleted order records"),
        (make("customer.order"), "ada did customer.order"),
        (make("by.bob.and.eve.gone.and.viewed"), "ada did by.bob.and.eve.gone.and.viewed"),
        (make("role.granted", payload={"role": True}), "ada granted the role true"),
        (
            make("role.granted", payload={"role": 10**5000}),
            "ada granted the role “(a value that cannot be written as text)”",
        ),
        (make("role.granted", payload={"role": ["admin"]}), "ada granted the role"),
        (
            make(entity="order", entity_id="1", targets=tuple(Target("item", str(n)) for n in range(9))),
            "ada refunded order 1, item 0, item 1 and 7 more",
        ),
        (make("item.ordered", outcome="failure"), "ada tried to order an item (failure)"),
        (
            make("telemetry.read", entity="audit_trail", entity_id="audit-events", outcome="denied"),
            "ada tried to open audit_trail audit-events (denied)",
        ),
        (make("s3", action="delete", entity="bucket", entity_id="b"), "ada deleted bucket b"),
        (make("telemetry.started", "telemetry"), "The service payments began to log"),
        (
            make("telemetry.fallback_entered", "telemetry", {"reason": "timeout"}),
            "The service payments began to store events, because Kafka does not accept them: timeout",
        ),
        (make("data.exported", payload={"format": "csv"}, sensitive=True), "ada exported"),
        (
            make("batch.run", targets=tuple(Target("job", str(n)) for n in range(5))),
            "ada ran a batch on job 0, job 1, job 2 and 2 more",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_event_is_told(event: AuditEvent, told: str) -> None:
    assert sentence(event) == told


def test_value_cannot_pass_for_the_sentence() -> None:
    forged = make(user_id="bob deleted order 1 (success). ”Ada\u202e", entity="order", entity_id="2")

    assert sentence(forged) == r"“bob deleted order 1 (success). \u201dAda\u202e” refunded order 2"
    assert str(shown(sentence(forged))).count('<bdi class="value">') == 3
    assert str(short(sentence(forged), 20)).startswith('<span class="cut"')


def test_every_builtin_type_is_told_in_words() -> None:
    for event_type in builtin:
        told = sentence(make(event_type.name))
        assert " did " not in told, event_type.name


def test_fields_carry_their_marks() -> None:
    listed = {field.name: field for field in fields(make(adjusted=("user_id",)), content_mark=CLAIMED)}

    assert listed["user_id"].marks == (CLAIMED, ADJUSTED)
    assert listed["id"].marks == ()
    assert listed["time"].is_time


def test_every_member_of_an_event_has_a_view() -> None:
    digest = "A" * 43
    whole = make(
        session_id="s", actor_id="a", entity="e", entity_id="1", action="read", outcome="success", source="s", ip_address="i",
        user_agent="u", correlation_id="c", sensitive=True, trace_id="t", span_id="s", kafka_key="k", clear_fields=("x",),
        dedup=Dedup(value="v", digest=digest), occurred_at="2026-01-03T03:04:05Z", actor_type="user", tenant_id="t",
        targets=(Target("e"),), reason="r", adjusted=("reason",), version="1", features=("changes",),
        catalog=CatalogReference(name="c", version="1", retention="7y"), subject=SubjectReference("A" * 32),
    )  # fmt: skip
    elsewhere = {"payload", "changes", "metadata", "schema_version", "recipients", "trace_flags"}

    assert {field.name for field in fields(whole)} - {"retention"} == set(AuditEvent.__struct_fields__) - elsewhere


def test_forgotten_event_says_so() -> None:
    listed = {field.name: field.value for field in fields(make(subject=SubjectReference("A" * 32, forgotten=True)))}

    assert "was destroyed" in listed["forgotten"]
    assert listed["subject"] == "A" * 32


def test_nested_change_is_one_line_for_each_difference() -> None:
    event = make(
        changes={"address": Change({"city": "Ulm", "zip": "1"}, {"city": "Bonn", "zip": "1"}), "name": Change(new="x")}
    )

    assert [(each.path, each.before, each.after) for each in changes(event)] == [
        ("address.city", "Ulm", "Bonn"),
        ("name", None, "x"),
    ]


def test_thousands_of_changes_are_counted() -> None:
    event = make(changes={str(number): Change(1, 2) for number in range(5_000)})

    listed = changes(event)

    assert len(listed) == MAX_CHANGES + 1
    assert listed[-1].is_rest
    assert listed[-1].path == "and 4,500 more attributes"


def count(node: Node) -> int:
    return 1 + sum(map(count, node.children))


def test_huge_payload_gives_a_bounded_tree() -> None:
    payload = {"wide": {f"member-{n}": n for n in range(100_000)}, "deep": nested(900), "small": [1, "two", None, True]}

    root = tree(payload)
    html = page_environment().from_string('{% import "macros.html" as ui %}{{ ui.tree(node) }}').render(node=root)

    assert count(root) <= MAX_NODES
    assert root.children[0].left_out == f"{100_000 - MAX_CHILDREN:,} more members are not shown"
    assert [child.kind for child in root.children[2].children] == ["number", "text", "null", "true or false"]
    assert len(html) < 1_000_000


def test_flood_of_hidden_letters_is_bounded() -> None:
    root = tree([("a\u200b" * 9_000) for _ in range(60)])

    html = page_environment().from_string('{% import "macros.html" as ui %}{{ ui.tree(node) }}').render(node=root)

    assert sum(child.text.startswith("a\u200b") for child in root.children) == 5
    assert root.children[5].text == "(not shown: the texts of this event are too long for a page)"
    assert len(html) < 8_000_000


def nested(depth: int) -> Any:
    value: Any = "end"
    for _ in range(depth):
        value = [value]
    return value


def test_number_of_many_digits_is_shown() -> None:
    assert tree(10**5_000).text == "(a value that cannot be written as text)"
    assert tree(float("nan")).text == "NaN"
