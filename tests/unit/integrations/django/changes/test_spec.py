from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

from telemetry.integrations.django import audited_model
from telemetry.integrations.django.apps import _require_fields
from telemetry.integrations.django.changes.spec import ModelSpec, SpecRegistry, snake_case, spec_of
from tests.support.django_shop.models import Customer, Employee, GoodCustomer, Ignored, Person


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Order", "order"), ("OrderLine", "order_line"), ("HTTPRequest", "http_request"), ("V2Order", "v2_order")],
)
def test_class_names_become_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_subclass_is_audited_as_its_parent() -> None:
    registry = SpecRegistry()
    spec = ModelSpec(mask=frozenset(["name"]))
    registry.add(Person, spec)

    assert registry.of(Employee) is spec
    assert registry.of(Ignored) is None


def test_own_specification_goes_before_the_parents() -> None:
    registry = SpecRegistry()
    own = ModelSpec(exclude=frozenset(["name"]))
    registry.add(Customer, ModelSpec())
    assert registry.of(GoodCustomer) is not own

    registry.add(GoodCustomer, own)

    assert registry.of(GoodCustomer) is own


def test_masks_are_known_by_their_names() -> None:
    def column(name: str) -> Any:
        return Customer._meta.get_field(name)

    assert not ModelSpec().masks(column("name"))
    assert ModelSpec(mask=frozenset(["iban"])).masks(column("iban"))
    assert ModelSpec(mask=frozenset(["advisor_id"])).masks(column("advisor"))


@pytest.mark.parametrize("options", [{"masks": ["a"]}, {"mask": "iban"}], ids=["unknown", "text"])
def test_wrong_option_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ImproperlyConfigured, match="mask"):
        spec_of(options)


def test_slip_in_a_name_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="ibann"):
        _require_fields(Customer, ModelSpec(mask=frozenset(["ibann"])))


def test_decorator_without_its_app_is_refused() -> None:
    with override_settings(INSTALLED_APPS=[]), pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        audited_model(Customer)
