"""What an event did is derived from its action, or else from its type, and never from a word in the middle."""

from __future__ import annotations

import pytest

from telemetry.reader.mappings.verbs import verb_of
from tests.support.some_events import make_event


@pytest.mark.parametrize(
    ("event_type", "verb"),
    [
        ("order_updated", "update"),
        ("OrderCreated", "create"),
        ("user_login_created", "create"),
        ("order.create", "create"),
        ("v1.compute.instances.insert", "create"),
        ("io.k8s.core.v1.pods.patch", "update"),
        ("CreateUser", "create"),
        ("google.iam.admin.v1.CreateServiceAccountKey", "create"),
        ("GetObject", "read"),
        ("Update user", "update"),
        ("MICROSOFT.KEYVAULT/VAULTS/DELETE", "delete"),
        ("iam:DeleteRole", "delete"),
        ("webhook.disabled", "disable"),
        ("vm.start", "start"),
    ],
)
def test_verb_at_an_end_of_a_type(event_type: str, verb: str) -> None:
    assert verb_of(make_event(event_type=event_type)) == verb


@pytest.mark.parametrize(
    ("event_type", "verb"),
    [
        ("UpdateLoginProfile", "update"),
        ("Set domain authentication", None),
        ("Authentication Methods Policy Update", None),
        ("GetSigninToken", "read"),
        ("google.cloud.oslogin.v1.OsLoginService.CheckPolicy", None),
        ("ip_allow_list_entry.create", "create"),
        ("ip_allow_list.disable", "disable"),
        ("repo.access", None),
        ("IpAccessDenied", None),
        ("User has elevated their access to all subscriptions", None),
        ("GenerateAccessToken", None),
        ("API_KEY_ACCESS_LIST_ENTRY_ADDED", None),
        ("NETWORK_ACCESS_LIST_ENTRY_REMOVED", None),
        ("StartExportTask", None),
        ("dependabot_alerts_new_repos.disable", "disable"),
        ("user.session.start", "start"),
        ("auth", None),
        ("s", None),
        ("list", "read"),
    ],
)
def test_noun_is_no_verb(event_type: str, verb: str | None) -> None:
    assert verb_of(make_event(event_type=event_type)) == verb


@pytest.mark.parametrize(
    "event_type",
    [
        *("user_login", "UserSignIn", "log_out", "ConsoleLogin", "user-deletes-key", "payment", "report.exporting"),
        *(
            "ListItemMoved",
            "DeleteRequestApproved",
            "delete_request",
            "read_only",
            "order_not_deleted",
            "delete_failed",
        ),
        *("CreateDenied", "CreateInvoiceFailed", "AccessKey", "NewUser", "profile.view", "", "...", "日本語"),
    ],
)
def test_uncertain_name_says_nothing(event_type: str) -> None:
    assert verb_of(make_event(event_type=event_type)) is None


@pytest.mark.parametrize(
    "event_type",
    [
        *("order.not.deleted", "dry_run.delete", "order.delete_rolled_back", "undo.delete", "delete_pending"),
        *("update.blocked.create", "create_attempt", "delete_preview", "cancel.update", "would.delete", "delete_retry"),
    ],
)
def test_what_was_not_done_is_no_act(event_type: str) -> None:
    assert verb_of(make_event(event_type=event_type)) is None


@pytest.mark.parametrize(
    "event_type",
    [
        *("get_or_create", "create_and_delete", "GetAndDelete", "update_or_create", "read_write", "ReadWrite"),
        *("list_deleted", "ListItemDeleted", "getDeletedOrCreated", "list_update", "createDelete"),
    ],
)
def test_two_verbs_say_nothing(event_type: str) -> None:
    assert verb_of(make_event(event_type=event_type)) is None


@pytest.mark.parametrize(
    "event_type",
    [
        *("date_created", "lastUpdated", "last_modified", "time_updated", "mail.read_receipt", "ReadReplica"),
        *(
            "update_available",
            "UpdateAvailable",
            "edit_mode",
            "EditDistance",
            "list_price",
            "delete_button",
            "delete_marker",
        ),
    ],
)
def test_attribute_or_thing_is_no_act(event_type: str) -> None:
    assert verb_of(make_event(event_type=event_type)) is None


@pytest.mark.parametrize(
    ("event_type", "verb"),
    [
        ("CreateReadReplica", "create"),
        ("DeleteAccessList", "delete"),
        ("create_list", "create"),
        ("delete_if_exists", None),
        ("mailing_list.create", "create"),
        ("access_list.update", "update"),
        ("read_replica.created", "create"),
        ("ListUsers", "read"),
        ("UpdateAccessTimes", "update"),
    ],
)
def test_thing_may_have_the_name_of_a_verb(event_type: str, verb: str | None) -> None:
    assert verb_of(make_event(event_type=event_type)) == verb


def test_action_that_undoes_the_type() -> None:
    assert verb_of(make_event(event_type="order.delete", action="cancel")) is None
    assert verb_of(make_event(event_type="order.delete", action="deny")) is None


def test_action_is_preferred_to_type() -> None:
    assert verb_of(make_event(event_type="order_updated", action="delete")) == "delete"
    assert verb_of(make_event(event_type="order_updated", action="frobnicate")) == "update"
