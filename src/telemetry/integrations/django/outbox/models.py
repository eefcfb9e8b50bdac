"""Defines the table of the outbox for Django's migrations."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from telemetry.outbox.schema import DEFAULT_TABLE, MAX_REASON


class OutboxRow(models.Model):
    """A sealed event that waits for the relay."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    event_id: models.CharField[str, str] = models.CharField(max_length=36)
    created_ms: models.BigIntegerField[int, int] = models.BigIntegerField()
    data: models.BinaryField[bytes, bytes] = models.BinaryField()
    attempts: models.IntegerField[int, int] = models.IntegerField(default=0)
    held: models.CharField[str | None, str | None] = models.CharField(max_length=MAX_REASON, null=True)  # noqa: DJ001 - NULL is "not held"

    class Meta:
        """The table that the relay expects."""

        db_table = DEFAULT_TABLE
        verbose_name = "row of the audit outbox"
        verbose_name_plural = "rows of the audit outbox"
        default_permissions: ClassVar[tuple[str, ...]] = ("view",)

    def __str__(self) -> str:
        return self.event_id
