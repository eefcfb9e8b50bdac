"""Changes groups of the project, each change with its event: committed, rolled back, in a savepoint, without a transaction."""

from __future__ import annotations

import os
from contextlib import suppress

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.outbox_project.settings"
django.setup()

from django.contrib.auth.models import Group  # noqa: E402 - models exist after the set-up
from django.db import transaction  # noqa: E402

from telemetry import TelemetryConfig  # noqa: E402
from telemetry.exceptions import NoTransactionError  # noqa: E402
from telemetry.integrations.django.outbox import DjangoOutbox  # noqa: E402
from telemetry.sync import Telemetry  # noqa: E402


class ChangedMindError(Exception):
    """Rolls a block back."""


def add_group(name: str) -> None:
    """Add a group and log it."""
    Group.objects.create(name=name)
    DjangoOutbox().log("group.added", {"name": name}, "ada")


def main() -> None:
    """Make the changes."""
    with Telemetry(TelemetryConfig.load(os.environ["SHOP_CONFIG"])):
        with transaction.atomic():
            add_group("committed")
            with suppress(ChangedMindError), transaction.atomic():
                add_group("savepoint")
                raise ChangedMindError
            add_group("after the savepoint")
        with suppress(ChangedMindError), transaction.atomic():
            add_group("rolled back")
            raise ChangedMindError
        try:
            DjangoOutbox().log("group.added", {"name": "without"}, "ada")
        except NoTransactionError:
            print("refused")  # noqa: T201


main()
