"""Sets Django up in the process of the tests: one project, one database file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction

_folder: list[tempfile.TemporaryDirectory[str]] = []

POSTGRES = "DJANGO_SHOP_POSTGRES"
"""Variable with the URL of a PostgreSQL database, which then is the default one."""

_KEPT = {"contenttypes.ContentType", "auth.Permission"}

TELEMETRY: dict[str, Any] = {
    "config": {
        "service_name": "shop",
        "audit_config": {
            "kafka_brokers": "kafka.invalid:9092",
            "security_protocol": "PLAINTEXT",
            "encryption_enabled": False,
            "fallback_enabled": False,
        },
    }
}


def set_up() -> None:
    """Set it up; once, however often this is called."""
    if settings.configured:
        return
    _folder.append(tempfile.TemporaryDirectory(prefix="django-shop-"))
    folder = Path(_folder[0].name)
    settings.configure(
        SECRET_KEY="only for tests",
        ROOT_URLCONF="tests.support.django_shop.urls",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "auditlog",
            "rest_framework",
            "telemetry.integrations.django",
            "telemetry.integrations.django.outbox",
            "tests.support.django_shop.apps.ShopConfig",
        ],
        MIDDLEWARE=[
            "telemetry.integrations.django.AuditMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        DATABASES={"default": _sqlite(folder, "default") | _postgres(), "archive": _sqlite(folder, "archive")},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        MEDIA_ROOT=folder / "media",
        USE_TZ=True,
        LOGGING_CONFIG=None,
        TELEMETRY=TELEMETRY,
    )
    django.setup()
    for name in ("default", "archive"):
        call_command("migrate", run_syncdb=True, verbosity=0, database=name)


def _sqlite(folder: Path, name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / f"{name}.sqlite3",
        "OPTIONS": {"timeout": 60},
    }


def _postgres() -> dict[str, Any]:
    url = os.environ.get(POSTGRES)
    if not url:
        return {}
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username,
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname,
        "PORT": parts.port,
        "OPTIONS": {},
    }


def empty() -> None:
    """Delete every row, without Django noticing; not those that name the models, which Django keeps in memory."""
    for connection in connections.all():
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA defer_foreign_keys = ON")
            for model in apps.get_models(include_auto_created=True):
                if model._meta.label not in _KEPT and not model._meta.proxy:
                    cursor.execute(f'DELETE FROM "{model._meta.db_table}"')  # noqa: S608 - names of our own


class _Undone(Exception):  # noqa: N818 - not an error
    pass


@contextmanager
def rolled_back() -> Iterator[None]:
    """Run a block in a transaction, or a savepoint in one, that is rolled back."""
    with suppress(_Undone), transaction.atomic():
        yield
        raise _Undone


def close() -> None:
    """Close the connections of this thread."""
    connections.close_all()
