"""Creates the table of the outbox, version 1."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """The first version of the table."""

    initial = True

    dependencies = ()

    operations = (
        migrations.CreateModel(
            name="OutboxRow",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("event_id", models.CharField(max_length=36)),
                ("created_ms", models.BigIntegerField()),
                ("data", models.BinaryField()),
                ("attempts", models.IntegerField(default=0)),
                ("held", models.CharField(max_length=200, null=True)),
            ],
            options={
                "verbose_name": "row of the audit outbox",
                "verbose_name_plural": "rows of the audit outbox",
                "db_table": "telemetry_outbox",
                "default_permissions": ("view",),
            },
        ),
    )
