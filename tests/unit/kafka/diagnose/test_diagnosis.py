from __future__ import annotations

import pytest

from telemetry.exceptions import TransportAuthenticationError, TransportError, TransportTLSError
from telemetry.kafka.diagnose.diagnosis import DiagnosedError, Diagnosis, Kind


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OK])
def test_every_cause_has_a_remedy(kind: Kind) -> None:
    diagnosis = Diagnosis.of(kind, "seen")

    assert diagnosis.remedy
    assert str(diagnosis) == f"seen [{kind.value}]; {diagnosis.remedy}"
    assert not diagnosis.is_ok


def test_ok_needs_no_remedy() -> None:
    assert str(Diagnosis.of(Kind.OK, "Kafka accepts records")) == "Kafka accepts records [ok]"


def test_given_remedy_replaces_the_usual_one() -> None:
    assert DiagnosedError(Kind.UNKNOWN_CA, "seen", remedy="do this").diagnosis.remedy == "do this"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.EXPIRED_CERTIFICATE, TransportTLSError),
        (Kind.WRONG_PASSWORD, TransportAuthenticationError),
        (Kind.UNREACHABLE, TransportError),
    ],
)
def test_cause_becomes_its_error(kind: Kind, error: type[TransportError]) -> None:
    raised = Diagnosis.of(kind, "seen").error()

    assert type(raised) is error
    assert f"[{kind.value}]" in str(raised)
