"""Settings of the project."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

_url = urlsplit(os.environ["SHOP_DATABASE"])
_sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": _url.path[1:]}
_postgresql = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": _url.path[1:],
    "USER": _url.username or "",
    "HOST": _url.hostname or "",
    "PORT": _url.port or "",
    "OPTIONS": {"connect_timeout": 30, "server_side_binding": True},
}

SECRET_KEY = "only for tests"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "telemetry.integrations.django.outbox"]
DATABASES = {"default": _sqlite if _url.scheme == "sqlite" else _postgresql}
USE_TZ = True
TELEMETRY = {"config": os.environ["SHOP_CONFIG"]}
