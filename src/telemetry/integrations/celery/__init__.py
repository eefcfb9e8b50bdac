"""Log each run of a Celery task, by the user and in the request that published it.

>>> from telemetry.integrations.celery import Celery  # instead of: from celery import Celery
>>> app = Celery("shop", broker="redis://...")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib.util import find_spec

from telemetry.exceptions import MissingExtraError

if find_spec("celery") is None:
    feature = "telemetry.integrations.celery"
    raise MissingExtraError(feature, "celery")

from telemetry.integrations.celery.app import Celery, audit_celery

__all__ = ["Celery", "audit_celery"]
