from __future__ import annotations

from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError, EventError
from telemetry.ingest.mapping.line_mapping import PLAIN, LineMapping, MappedEvent
from telemetry.ingest.mapping.preset import ChangeRule, OcsfRule, Preset, Rule, TargetRule, Variant, extended

LINE: dict[str, Any] = {"event_type": "login", "user_id": "ann"}


def mapping_of(**tables: Any) -> LineMapping:
    return LineMapping(extended(PLAIN, Preset(**tables)))


def test_a_plain_line_is_its_own_payload() -> None:
    assert mapping_of().event(LINE) == MappedEvent("login", LINE, "ann", {})


def test_fields_are_found_by_their_paths() -> None:
    mapping = mapping_of(
        fields={
            "event_type": "what",
            "user_id": "who.id",
            "payload": "detail",
            "occurred_at": "at",
            "idempotency_key": "id",
            "outcome": "result",
            "actor_type": "kind",
            "sensitive": "secret",
            "ip_address": "from.0",
        },
        metadata={"severity": "level"},
    )
    line = {
        "what": "open",
        "who": {"id": 7},
        "detail": [1],
        "at": 1_709_251_199,
        "id": "e-1",
        "result": "ALLOW",
        "kind": "Service",
        "secret": True,
        "from": ["192.0.2.1"],
        "level": 3,
    }

    assert mapping.event(line) == MappedEvent(
        "open",
        [1],
        "7",
        {
            "occurred_at": "2024-02-29T23:59:59Z",
            "idempotency_key": "e-1",
            "outcome": "success",
            "actor_type": "service",
            "sensitive": True,
            "ip_address": "192.0.2.1",
            "metadata": {"severity": 3},
        },
    )


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("outcome", "Start", "Start"),
        ("outcome", 7.5, "7.5"),
        ("occurred_at", "yesterday", "yesterday"),
        ("ip_address", ["192.0.2.1"], '["192.0.2.1"]'),
        ("session_id", True, "true"),
        ("actor_type", "robot", "robot"),
        ("sensitive", "maybe", "maybe"),
        ("entity", "  ", "  "),
        ("idempotency_key", 1.5, "1.5"),
    ],
)
def test_an_unfit_value_is_kept_as_text(name: str, value: Any, kept: str) -> None:
    mapping = mapping_of(fields={name: "x"})

    assert mapping.event({**LINE, "x": value}).fields == {"metadata": {f"{name}_text": kept}}
    assert mapping.tally.unfit == {name: 1}
    assert mapping.tally.found[name] == 0


@pytest.mark.parametrize("value", [None, "", {}, []])
def test_nothing_is_left_out(value: Any) -> None:
    mapping = mapping_of(fields={"entity": "x"})

    assert mapping.event({**LINE, "x": value}).fields == {}
    assert not mapping.tally.unfit


def test_a_long_unfit_value_is_cut_and_marked() -> None:
    fields = mapping_of(fields={"outcome": "x"}).event({**LINE, "x": "y" * 10_000}).fields

    text = fields["metadata"]["outcome_text"]
    assert len(text) == 4_096
    assert text[-23] == "~"


@pytest.mark.parametrize(
    "event_type", [None, "", " ", "x" * 256, "a\nb", "Telemetry.read", "x~" + "a" * 22, ["a"], 1.5, True]
)
def test_an_impossible_event_type_takes_the_default(event_type: Any) -> None:
    line = {**LINE, "event_type": event_type}

    assert mapping_of(default={"event_type": "imported"}).event(line).event_type == "imported"
    with pytest.raises(EventError, match="event type"):
        mapping_of().event(line)


def test_an_impossible_event_type_is_kept() -> None:
    mapping = mapping_of(default={"event_type": "imported"})

    assert mapping.event({**LINE, "event_type": "a\nb"}).fields == {"metadata": {"event_type_text": "a\nb"}}


def test_a_line_without_user_needs_a_default() -> None:
    line = {"event_type": "login"}

    with pytest.raises(EventError, match="has no user"):
        mapping_of().event(line)
    assert mapping_of(default={"user_id": "import"}).event(line).user_id == "import"


def test_the_user_anonymous_is_an_anonymous_actor() -> None:
    mapping = mapping_of(default={"user_id": "anonymous"})

    assert mapping.event({"event_type": "login"}).fields == {"actor_type": "anonymous"}
    assert mapping.event(LINE).fields == {}


@pytest.mark.parametrize("line", [None, 1, "text", [LINE], True])
def test_a_line_is_an_object(line: Any) -> None:
    with pytest.raises(EventError, match="is not a JSON object"):
        mapping_of().event(line)


def test_an_actor_is_named_if_another_one() -> None:
    mapping = mapping_of(fields={"actor_id": "by"})

    assert mapping.event({**LINE, "by": "ann"}).fields == {}
    assert mapping.event({**LINE, "by": "bob"}).fields == {"actor_id": "bob"}
    assert mapping.tally.found["actor_id"] == 2


def test_constants_are_in_every_event() -> None:
    mapping = mapping_of(fields={"source": "s"}, set={"source": "okta", "batch": "7", "sensitive": "true"})

    fields = mapping.event({**LINE, "s": "other"}).fields
    assert fields == {"source": "okta", "sensitive": True, "metadata": {"batch": "7"}}


@pytest.mark.parametrize(
    "name", ["event_type", "user_id", "payload", "occurred_at", "outcome", "sensitive", "actor_type"]
)
def test_a_constant_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        mapping_of(set={name: "nonsense"})


def test_rules_choose_the_outcome_before_its_path() -> None:
    mapping = mapping_of(
        fields={"outcome": "status"},
        outcome=[
            Rule(value="denied", path="error", matches=["AccessDenied*", "*Unauthorized[x]"]),
            Rule(value="failure", path="error"),
            Rule(value="success", path="status", absent=True),
        ],
    )

    def outcome(**more: Any) -> Any:
        return mapping.event({**LINE, **more}).fields.get("outcome")

    assert outcome(error="accessdeniedException") == "denied"
    assert outcome(error="Not Unauthorized[x]") == "denied"
    assert outcome(error="Throttled", status="ok") == "failure"
    assert outcome() == "success"
    assert outcome(status="ok") == "success"
    assert outcome(status=403) == "denied"


def test_a_rule_chooses_the_kind_of_actor() -> None:
    mapping = mapping_of(actor_type=[Rule(value="service", path="robot", matches=["true", "1"])])

    assert mapping.event({**LINE, "robot": True}).fields == {"actor_type": "service"}
    assert mapping.event({**LINE, "robot": 1}).fields == {"actor_type": "service"}
    assert mapping.event({**LINE, "robot": False}).fields == {}


def test_paths_in_a_list_are_joined() -> None:
    mapping = mapping_of(fields={"event_type": ["object.kind", "object.part", "verb"]})

    assert mapping.event({**LINE, "object": {"kind": "pods", "part": ""}, "verb": "create"}).event_type == "pods.create"


def test_keys_have_a_scope_and_a_limit() -> None:
    mapping = mapping_of(fields={"idempotency_key": "id"}, id_scope="okta")

    def key(value: Any) -> Any:
        return mapping.event({**LINE, "id": value}).fields["idempotency_key"]

    assert key(7) == key("7") == "okta:7"
    assert key("x" * 300).startswith("sha256:")
    assert key("x" * 300) != key("x" * 301)
    assert key("a\nb") == key("a\nb")
    assert len(key("\ud800")) == 50


def test_one_target_is_the_entity() -> None:
    mapping = mapping_of(targets=[TargetRule(each="things", entity="type", entity_id="id")])

    assert mapping.event({**LINE, "things": {"type": "app", "id": 5}}).fields == {"entity": "app", "entity_id": "5"}


def test_several_targets_are_all_there() -> None:
    mapping = mapping_of(
        targets=[TargetRule(each="things", entity="type", entity_id="id"), TargetRule(kind="repo", entity_id="repo")]
    )
    line = {
        **LINE,
        "things": [{"type": "app", "id": "a"}, "junk", {"type": "app", "id": "a"}, {"id": "b"}],
        "repo": "r",
    }

    assert mapping.event(line).fields == {
        "entity": "app",
        "entity_id": "a",
        "targets": [{"entity": "app", "entity_id": "a"}, {"entity": "repo", "entity_id": "r"}],
    }


def test_targets_are_bounded() -> None:
    mapping = mapping_of(targets=[TargetRule(each="things", kind="app", entity_id="id")])

    assert len(mapping.event({**LINE, "things": [{"id": i} for i in range(1_000)]}).fields["targets"]) == 128


def test_changes_have_both_sides_where_known() -> None:
    mapping = mapping_of(changes=[ChangeRule(each="changed", name="key", old="from", new="to")])
    line = {**LINE, "changed": [{"key": "mail", "from": "a", "to": "b"}, {"key": "role", "to": ["x"]}, {"to": 1}]}

    assert mapping.event(line).fields == {"changes": {"mail": {"old": "a", "new": "b"}, "role": {"new": ["x"]}}}


def test_a_constant_attribute_needs_its_old_value() -> None:
    mapping = mapping_of(changes=[ChangeRule(attribute="visibility", old="before", new="after")])

    assert mapping.event({**LINE, "after": "public"}).fields == {}
    assert mapping.event({**LINE, "before": "private"}).fields == {"changes": {"visibility": {"old": "private"}}}


def test_a_kind_alone_says_nothing() -> None:
    mapping = mapping_of(targets=[TargetRule(each="thing", entity="type", kind="app", entity_id="id")])

    assert mapping.event({**LINE, "thing": {}}).fields == {}
    assert mapping.event({**LINE, "thing": {"type": "pods"}}).fields == {"entity": "pods"}


def test_a_variant_is_for_its_types_alone() -> None:
    mapping = mapping_of(
        fields={"session_id": "a"},
        variant=[
            Variant(type=["log*", "x"], fields={"user_id": "target", "session_id": "b"}),
            Variant(type="*", fields={"session_id": "c"}),
        ],
    )
    line = {"user_id": "ann", "target": "bob", "a": "1", "b": "2", "c": "3"}

    assert mapping.event({**line, "event_type": "login"})[2:] == ("bob", {"session_id": "2"})
    assert mapping.event({**line, "event_type": "other"})[2:] == ("ann", {"session_id": "3"})
    assert mapping.event({**line, "event_type": "login"})[2:] == ("bob", {"session_id": "2"})


def test_an_undecided_outcome_is_kept_and_not_counted() -> None:
    mapping = mapping_of(fields={"outcome": "result"}, undecided=["Started"])

    assert mapping.event({**LINE, "result": "STARTED"}).fields == {"metadata": {"outcome_text": "STARTED"}}
    assert not mapping.tally.unfit


def test_the_tally_names_what_was_never_found() -> None:
    mapping = mapping_of(
        fields={"ip_address": "nowhere", "outcome": "result"},
        ocsf=[OcsfRule(type="log*", class_uid=3002, activity_id=1)],
    )
    mapping.event({**LINE, "result": "Start"})
    mapping.event({**LINE, "event_type": "other"})

    assert mapping.tally.as_json() == {
        "found": {"event_type": 2, "user_id": 2, "ip_address": 0, "outcome": 0},
        "unfit": {"outcome": 1},
        "unknown_types": 1,
    }
    assert mapping.tally.remarks() == [
        "ip_address was found in 0 of 2 lines",
        "outcome has a value that no table knows in 1 of 2 lines: it is kept as metadata outcome_text; say what it means with --outcome-map",
        "1 of 2 lines have an event type that the preset does not know",
    ]


def test_a_given_user_is_not_looked_for() -> None:
    given = mapping_of(default={"user_id": "import"})
    mistyped = mapping_of(default={"user_id": "import"}, fields={"user_id": "usr"})
    for mapping in (given, mistyped):
        mapping.event({"event_type": "login"})

    assert given.tally.remarks() == []
    assert mistyped.tally.remarks() == ["user_id was found in 0 of 1 lines"]


@pytest.mark.parametrize(
    "tables",
    [
        {"fields": {"ip_adress": "x"}},
        {"fields": {"ip_address": "x..y"}},
        {"fields": {"payload": ["a", "b"]}},
        {"metadata": {"entity": "x"}},
        {"metadata": {"x": "["}},
        {"outcome": [Rule(value="maybe", path="x")]},
        {"outcome": [Rule(value="denied", path="x", matches=["a"], absent=True)]},
        {"outcome": [Rule(value="denied", path="x", matches=[""])]},
        {"targets": [TargetRule(entity_id="x")]},
        {"changes": [ChangeRule(name="")]},
        {"changes": [ChangeRule(old="x")]},
        {"changes": [ChangeRule(name="x", attribute="y")]},
        {"variant": [Variant(type="", fields={})]},
        {"variant": [Variant(type="x", fields={"ip_adress": "x"})]},
        {"variant": [Variant(type="x", fields={"ip_address": "["})]},
        {"time_zone": "CET"},
        {"items": "records, value"},
        {"items": "a..b"},
        {"ocsf": [OcsfRule(type="", class_uid=1, activity_id=1)]},
    ],
)
def test_a_faulty_preset_is_refused_at_start(tables: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        mapping_of(**tables)


def test_an_extension_wins_and_comes_first() -> None:
    base = Preset(
        summary="base",
        fields={"source": "a", "reason": "r"},
        words={"denied": ["stop"]},
        outcome=[Rule(value="failure", path="e")],
    )
    more = Preset(fields={"source": "b"}, words={"failure": ["stop"]}, outcome=[Rule(value="denied", path="e")])

    both = extended(base, more)

    assert both.summary == "base"
    assert both.fields == {"source": "b", "reason": "r"}
    assert both.words == {"success": [], "failure": ["stop"], "denied": []}
    assert [rule.value for rule in both.outcome] == ["denied", "failure"]
