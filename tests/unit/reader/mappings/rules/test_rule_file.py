"""A rule that cannot work is refused before an event is read, with its place and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.reader.mappings.rules import default_rules, parse_rules, read_rules
from telemetry.reader.mappings.rules.rule_file import MAX_BYTES
from tests.support.some_events import make_event

RULE = '[[rule]]\ntype = "user.*"\nclass_uid = 3002\nactivity_id = 1\n'


def test_rule_with_all_its_keys() -> None:
    (rule,) = parse_rules(
        """
        [[rule]]
        type = ["user.session.*", "auth"]
        entity = "session*"
        source = "okta"
        service = "import-?"
        class_uid = 3002
        activity_id = 1
        status_id = 2
        severity_id = 4
        [rule.fields]
        "src_endpoint.ip" = "payload.client.ip, payload.address"
        [rule.constants]
        "auth_protocol_id" = 10
        """,
        name="rules.toml",
    )

    assert (rule.class_uid, rule.activity_id, rule.status_id, rule.severity_id) == (3002, 1, 2, 4)
    assert [field.target for field in rule.fields] == ["src_endpoint.ip", "auth_protocol_id"]
    event = make_event(event_type="auth", entity="session", source="okta", service_name="import-1")
    assert rule.matches(event)
    for other in (
        make_event(event_type="auths", entity="session", source="okta", service_name="import-1"),
        make_event(event_type="Auth", entity="session", source="okta", service_name="import-1"),
        make_event(event_type="auth", source="okta", service_name="import-1"),
        make_event(event_type="auth", entity="session", source="oktas", service_name="import-1"),
        make_event(event_type="auth", entity="session", source="okta", service_name="import-12"),
    ):
        assert not rule.matches(other)


def test_preset_with_further_tables() -> None:
    text = 'name = "okta"\n[fields]\nuser_id = "actor.id"\n' + RULE.replace("rule", "ocsf")

    assert len(parse_rules(text, name="okta.toml")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule", "is not TOML"),
        ("", "has no rules"),
        ("rule = []", "has no rules"),
        ("rule = [1]", "is not a table"),
        (RULE + "[other]\n", "unknown table 'other'"),
        (RULE.replace('type = "user.*"\n', ""), "lacks type"),
        (RULE + "colour = 1\n", "unknown key 'colour'"),
        (RULE.replace('"user.*"', '""'), "1 to 1024 characters"),
        (RULE.replace('"user.*"', "[]"), "1 to 1024 characters"),
        (RULE.replace('"user.*"', f'"{"x" * 1_025}"'), "1 to 1024 characters"),
        (RULE.replace("3002", "3999"), "OCSF has no class 3999"),
        (RULE.replace("3002", '"3002"'), "OCSF has no class '3002'"),
        (RULE.replace("3002", "true"), "OCSF has no class True"),
        (RULE.replace("id = 1", "id = 12"), "Authentication has no activity_id 12 (use one of: 0 Unknown, 1 Logon"),
        (RULE.replace("id = 1", "id = true"), "has no activity_id True"),
        (RULE + "status_id = 3\n", "has no status_id 3"),
        (RULE + "severity_id = 7\n", "has no severity_id 7"),
        (RULE + "fields = 1\n", "fields: is not a table"),
        (RULE + '[rule.fields]\n"src_endpoint.address" = "payload.ip"\n', "has no such attribute"),
        (RULE + '[rule.fields]\n"src_endpoint" = "payload.ip"\n', "is an object"),
        (RULE + '[rule.fields]\n"class_uid" = "payload.class"\n', "is filled from the event itself"),
        (RULE + '[rule.fields]\n"metadata.product.name" = "payload.class"\n', "is filled from the event itself"),
        (RULE + '[rule.fields]\n"unmapped.payload" = "payload"\n', "is filled from the event itself"),
        (RULE + '[rule.fields]\n"message" = 5\n', "is not a path"),
        (RULE + '[rule.fields]\n"message" = "payload..text"\n', "the path lacks a name"),
        (RULE + '[rule.constants]\n"auth_protocol_id" = 77\n', "no integer, or none that is listed"),
        (RULE + '[rule.constants]\n"src_endpoint.ip" = "nowhere"\n', "the value is no ip"),
        (RULE * 10_001, "more than 10000 rules"),
    ],
)
def test_rule_that_cannot_work(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_rules(text, name="rules.toml")

    assert said in str(refused.value)
    assert "rules.toml" in str(refused.value)


def test_every_problem_is_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_rules(RULE.replace("3002", "1") + RULE + RULE.replace("3002", "2"), name="rules.toml")

    assert [problem.field for problem in refused.value.problems] == ["rules.toml: 1. rule", "rules.toml: 3. rule"]


@pytest.mark.parametrize("content", [b"\xff", b"#" * (MAX_BYTES + 1), None])
def test_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "rules.toml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"rules\.toml"):
        read_rules(file)


def test_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULE)

    assert len(read_rules(tmp_path / "rules.toml")) == 1


def test_defaults_are_rules() -> None:
    assert {rule.class_uid for rule in default_rules()} == {3001, 3002, 3005, 6003}
