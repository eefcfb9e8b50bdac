"""A record of OCSF says what the event says, and nothing that did not happen."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.format.value.members import Change, Target
from telemetry.reader.mappings import to_ocsf
from telemetry.reader.mappings.ocsf import OcsfMapping, ocsf_by_rules
from telemetry.reader.mappings.rules import parse_rules
from tests.support.some_events import FULL, opened


def _by_rule(text: str, **fields: Any) -> dict[str, Any]:
    return OcsfMapping(parse_rules(text, name="rules.toml"))(opened(**fields))


def _rule(class_uid: int, activity_id: int, more: str = "") -> str:
    return f'[[rule]]\ntype = "*"\nclass_uid = {class_uid}\nactivity_id = {activity_id}\n{more}'


@pytest.mark.parametrize(
    ("event_type", "type_uid"),
    [
        ("UpdateLoginProfile", 600303),
        ("Set domain authentication", 600399),
        ("Authentication Methods Policy Update", 600399),
        ("GetSigninToken", 600302),
        ("google.cloud.oslogin.v1.OsLoginService.CheckPolicy", 600399),
        ("ip_allow_list_entry.create", 600301),
        ("ip_allow_list.disable", 600399),
        ("repo.access", 600399),
        ("IpAccessDenied", 600399),
        ("User has elevated their access to all subscriptions", 600399),
        ("GenerateAccessToken", 600399),
        ("API_KEY_ACCESS_LIST_ENTRY_ADDED", 600399),
        ("NETWORK_ACCESS_LIST_ENTRY_REMOVED", 600399),
        ("StartExportTask", 600399),
        ("dependabot_alerts_new_repos.disable", 600399),
        ("user.session.start", 300201),
        ("user.session.end", 300202),
        ("s", 600399),
        ("auth", 600399),
        ("user_login", 300201),
        ("UserLoginFailed", 300201),
        ("SignOut", 300202),
        ("telemetry.started", 99),
        ("telemetry.read", 600302),
        ("telemetry.viewed", 600302),
        ("telemetry.explorer.denied", 600399),
        ("telemetry.gateway_denied", 99),
    ],
)
def test_class_and_activity_of_a_type(event_type: str, type_uid: int) -> None:
    assert to_ocsf(opened(event_type=event_type))["type_uid"] == type_uid


def test_other_is_named_by_the_type() -> None:
    record = to_ocsf(opened(event_type="repo.access", action="change visibility"))

    assert (record["activity_id"], record["activity_name"]) == (99, "repo.access")
    assert record["type_name"] == "API Activity: Other"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("success", (1, "Success")), ("failure", (2, "Failure")), ("denied", (2, "Failure")), (None, (0, "Unknown"))],
)
def test_status_is_the_outcome(outcome: str | None, status: tuple[int, str]) -> None:
    record = to_ocsf(opened(outcome=outcome))

    assert (record["status_id"], record["status"]) == status
    assert record.get("status_detail") == outcome


def test_rule_speaks_where_the_outcome_is_silent() -> None:
    text = _rule(3002, 1, "status_id = 2\n")

    assert _by_rule(text)["status_id"] == 2
    assert _by_rule(text, outcome="success")["status_id"] == 1


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ("high", (4, "High")),
        ("INFO", (1, "Informational")),
        ("WARN", (99, "WARN")),
        ("unknown", (0, "Unknown")),
        (4, (1, "Informational")),
        ("x" * 65, (1, "Informational")),
    ],
)
def test_severity_of_the_source_is_kept(said: Any, severity: tuple[int, str]) -> None:
    record = to_ocsf(opened(metadata={"severity": said}))

    assert (record["severity_id"], record["severity"]) == severity
    assert record["unmapped"]["metadata"] == {"severity": said}


def test_severity_of_a_rule_comes_first() -> None:
    record = _by_rule(_rule(6003, 99, "severity_id = 5\n"), metadata={"severity": "low"}, outcome="denied")

    assert (record["severity_id"], record["severity"]) == (5, "Critical")


def test_time_is_when_it_happened() -> None:
    record = to_ocsf(opened(occurred_at="2021-03-04T05:06:07.123456789Z"))

    assert record["time"] == 1_614_834_367_123
    assert record["metadata"]["original_time"] == "2021-03-04T05:06:07.123456789Z"
    assert record["metadata"]["logged_time"] == 1_769_860_800_123


def test_time_of_logging_without_another() -> None:
    record = to_ocsf(opened())

    assert record["time"] == record["metadata"]["logged_time"] == 1_769_860_800_123


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("10.1.2.3", {"ip": "10.1.2.3"}),
        ("2001:DB8::1", {"ip": "2001:db8::1"}),
        ("host.example", {"hostname": "host.example"}),
        ("10.1.2.3:443", {"name": "10.1.2.3:443"}),
        (None, {"svc_name": "shop"}),
    ],
)
def test_only_an_address_is_an_address(text: str | None, endpoint: dict[str, str]) -> None:
    assert to_ocsf(opened(ip_address=text))["src_endpoint"] == endpoint


@pytest.mark.parametrize(
    ("actor_type", "user"),
    [
        ("user", {"uid": "a", "type_id": 1, "type": "User"}),
        ("system", {"uid": "a", "type_id": 3, "type": "System"}),
        ("service", {"uid": "a", "type_id": 99, "type": "Service"}),
        ("anonymous", {"uid": "a", "type_id": 99, "type": "Anonymous"}),
        (None, {"uid": "a"}),
    ],
)
def test_kind_of_the_actor(actor_type: str | None, user: dict[str, Any]) -> None:
    assert to_ocsf(opened(actor_id="a", actor_type=actor_type))["actor"]["user"] == user


def test_context_of_the_event_is_kept() -> None:
    record = to_ocsf(
        opened(
            tenant_id="acme",
            entity="order",
            entity_id="7",
            targets=(Target("invoice", "8"), Target("queue")),
            reason="ticket 4711",
            changes={"total": Change(1, 2), "note": Change(new="a")},
            adjusted=("reason",),
        )
    )

    assert record["metadata"]["tenant_uid"] == "acme"
    assert record["resources"] == [
        {"type": "order", "uid": "7", "name": "7"},
        {"type": "invoice", "uid": "8", "name": "8"},
        {"type": "queue", "name": "queue"},
    ]
    unmapped = record["unmapped"]
    assert unmapped["targets"] == [{"entity": "invoice", "entity_id": "8"}, {"entity": "queue"}]
    assert unmapped["changes"] == {"total": {"old": 1, "new": 2}, "note": {"new": "a"}}
    assert (unmapped["reason"], unmapped["adjusted"]) == ("ticket 4711", ["reason"])


def test_entity_management_shows_both_sides() -> None:
    record = _by_rule(
        _rule(3004, 3),
        entity="policy",
        entity_id="p-1",
        reason="ticket 4711",
        changes={"effect": Change("allow", "deny"), "scope": Change(new="all")},
    )

    named = {"type": "policy", "uid": "p-1", "name": "p-1"}
    assert record["entity"] == {**named, "data": {"effect": "allow"}}
    assert record["entity_result"] == {**named, "data": {"effect": "deny", "scope": "all"}}
    assert record["comment"] == "ticket 4711"
    assert not {"reason", "changes"} & record["unmapped"].keys()
    assert record["metadata"]["profiles"] == ["host"]
    assert record["actor"]["user"]["uid"] == "user-1"


@pytest.mark.parametrize(
    ("fields", "account"),
    [
        ({"entity": "user", "entity_id": "u-2"}, "u-2"),
        ({"entity": "AWS::IAM::User", "entity_id": "u-2"}, "u-2"),
        ({"entity": "service_account", "entity_id": "u-2"}, "u-2"),
        ({"targets": (Target("role", "r"), Target("account", "u-3"))}, "u-3"),
        ({"actor_id": "admin"}, "user-1"),
        ({}, "user-1"),
    ],
)
def test_account_that_was_changed(fields: dict[str, Any], account: str) -> None:
    assert _by_rule(_rule(3001, 3), **fields)["user"] == {"uid": account}


@pytest.mark.parametrize("entity", ["superuserlist", "power_user_group", "UserGroup"])
def test_thing_that_is_no_account(entity: str) -> None:
    mapping = OcsfMapping(parse_rules(_rule(3001, 3), name="rules.toml"))

    record = mapping(opened(entity=entity, entity_id="g-1"))

    assert record["class_uid"] == 6003
    assert mapping.lacking == {(3001, "user"): 1}


def test_group_and_the_user_who_was_added() -> None:
    record = _by_rule(_rule(3006, 3), entity="group", entity_id="g-1", targets=(Target("user", "u-2"),))

    assert (record["group"]["uid"], record["user"]) == ("g-1", {"uid": "u-2"})


def test_group_does_not_guess_its_user() -> None:
    mapping = OcsfMapping(parse_rules(_rule(3006, 3), name="rules.toml"))

    record = mapping(opened(entity="group", entity_id="g-1", event_type="group.update"))

    assert record["type_uid"] == 600303
    assert mapping.lacking == {(3006, "privileges or user"): 1}


def test_fields_of_a_rule() -> None:
    record = _by_rule(
        _rule(
            3005,
            1,
            """
            [rule.fields]
            "privileges" = "payload.roles"
            "src_endpoint.ip" = "payload.client.ip"
            "src_endpoint.port" = "payload.client.port"
            "user.name" = "payload.who"
            "metadata.event_code" = "payload.absent"
            [rule.constants]
            "device.hostname" = "gateway"
            """,
        ),
        payload={"roles": ["admin", 7, {}], "client": {"ip": "10.0.0.9", "port": "70000"}, "who": "Ada"},
        ip_address="10.0.0.1",
    )

    assert record["privileges"] == ["admin", "7"]
    assert record["src_endpoint"] == {"ip": "10.0.0.9"}
    assert record["unmapped"]["ip_address"] == "10.0.0.1"
    assert record["user"] == {"uid": "user-1", "name": "Ada"}
    assert record["metadata"]["event_code"] == "order_updated"
    assert record["device"] == {"hostname": "gateway", "type_id": 0}


def test_rule_that_fills_an_address_names_no_service() -> None:
    text = _rule(6003, 2, '[rule.fields]\n"src_endpoint.ip" = "payload.ip"\n')

    assert _by_rule(text, payload={"ip": "10.0.0.9"})["src_endpoint"] == {"ip": "10.0.0.9"}
    assert _by_rule(text, payload={"ip": "somewhere"})["src_endpoint"] == {"svc_name": "shop"}


def test_one_of_several_things() -> None:
    record = _by_rule(
        _rule(6001, 2, '[rule.fields]\n"web_resources.name" = "payload.url"\n'),
        payload={"url": "https://shop.example/a"},
    )

    assert record["web_resources"] == [{"name": "https://shop.example/a"}]


def test_class_that_no_event_can_fill() -> None:
    with pytest.raises(ConfigurationError, match="File System Activity requires file, which no event has"):
        ocsf_by_rules(parse_rules(_rule(1001, 1), name="rules.toml"))


def test_preset_may_name_such_a_class() -> None:
    rules = parse_rules(_rule(3005, 1).replace("rule", "ocsf"), name="okta.toml")
    mapping = ocsf_by_rules(rules).record
    assert isinstance(mapping, OcsfMapping)

    assert mapping(opened())["class_uid"] == 6003
    assert mapping.lacking == {(3005, "privileges"): 1}


def test_columns_of_the_rules() -> None:
    more = (
        '[rule.fields]\n"is_mfa" = "payload.mfa"\n"status_code" = "payload.code"\n"device.hostname" = "payload.host"\n'
    )
    columns = {
        column.name: column.kind for column in ocsf_by_rules(parse_rules(_rule(3002, 1, more), name="a")).columns
    }

    assert (columns["is_mfa"], columns["status_code"], columns["device"]) == ("boolean", "text", "json")
    assert list(columns)[-1] == "unmapped"


def test_library_speaks_about_itself() -> None:
    assert _by_rule(_rule(3002, 1), event_type="telemetry.started", user_id="telemetry")["class_uid"] == 0


def test_nothing_of_the_event_is_lost() -> None:
    text = str(
        _by_rule(_rule(3003, 99, '[rule.fields]\n"group.name" = "payload.group"\n'), **FULL, payload={"group": "g"})
    )

    for name, value in FULL.items():
        if name not in ("trace_flags", "sensitive", "outcome", "metadata"):
            assert str(value) in text, name
