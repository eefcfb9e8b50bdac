from __future__ import annotations

import msgspec
import pytest

from telemetry.catalog.builtin import builtin
from telemetry.reader.mappings.ocsf_schema import published


@pytest.mark.parametrize("kind", list(builtin), ids=lambda kind: kind.name)
def test_built_in_type_has_a_class_of_ocsf(kind: object) -> None:
    ((class_uid, activity_id),) = [each.ocsf for each in builtin if each is kind and each.ocsf]

    assert str(activity_id) in published().classes[class_uid].attributes["activity_id"].enum


def test_further_members_are_kept() -> None:
    kind = builtin.find("user.login")

    assert kind is not None
    assert kind.check({"method": "passkey", "backend": "ldap"}).payload == {"method": "passkey", "backend": "ldap"}
    assert kind.check({}).fields == {"outcome": "success"}
    assert repr(msgspec.convert({"method": "x"}, kind.model.kind)) == "UserLogin()"
