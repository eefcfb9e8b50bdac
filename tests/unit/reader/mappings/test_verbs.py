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


def test_action_is_preferred_to_type() -> None:
    assert verb_of(make_event(event_type="order_updated", action="delete")) == "delete"
    assert verb_of(make_event(event_type="order_updated", action="frobnicate")) == "update"
