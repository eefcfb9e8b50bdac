"""Writes audit events into the transaction of a Django project: the table, its migration, and the relay.

>>> INSTALLED_APPS += ["telemetry.integrations.django.outbox"]  # doctest: +SKIP
"""

from telemetry.integrations.django.outbox.writer import DjangoOutbox, outbox_database

__all__ = ["DjangoOutbox", "outbox_database"]
