from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

from telemetry.exceptions import ConfigurationError
from telemetry.integrations.django.process import AuditProcess
from telemetry.integrations.django.settings import load_settings
from tests.support.django_shop.site import TELEMETRY


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": []}, "'model'"),
        ([], "dict"),
        ({"models": "shop.Order"}, "list of labels"),
        ({"models": {"shop.Order": {"hide": []}}}, "'hide'"),
        ({"bulk_rows": 501}, "bulk_rows"),
        ({"bulk_rows": True}, "bulk_rows"),
        ({"config": 7}, "config"),
        ({"sample": 2.0}, "sample"),
        ({"trusted_proxies": ["nowhere"]}, "nowhere"),
    ],
    ids=["key", "type", "models", "option", "rows", "bool", "config", "sample", "proxy"],
)
def test_wrong_setting_is_named(given: Any, message: str) -> None:
    with override_settings(TELEMETRY=given), pytest.raises((ImproperlyConfigured, ConfigurationError), match=message):
        AuditProcess().web.start()


def test_models_may_be_a_list() -> None:
    with override_settings(TELEMETRY={"models": ["shop.Order"]}):
        assert list(load_settings().models) == ["shop.order"]


def test_configuration_may_be_a_dict() -> None:
    with override_settings(TELEMETRY=TELEMETRY):
        assert AuditProcess().recorder.telemetry.config.service_name == "shop"


def test_hooks_may_be_dotted_paths() -> None:
    with override_settings(TELEMETRY={"actor": "operator.attrgetter"}):
        assert load_settings().web.actor is not None
