from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from telemetry.gateway.identities.client_cert import forwarded_names
from tests.support.gateway.credentials import Authority


def header(folder: Path, *names: str, common_name: str | None = None) -> str:
    pair = Authority(folder).issue("c", *names, common_name=common_name)
    certificate = x509.load_pem_x509_certificates(pair.certificate.read_bytes())[0]
    return f":{base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"


def test_the_names_of_the_certificate_are_read(tmp_path: Path) -> None:
    assert forwarded_names(header(tmp_path, "payments.example", common_name="other")) == ("payments.example",)


@pytest.mark.parametrize(
    "value",
    ["", ":", "::", ":!:", ":AAAA:", "AAAA", ":AAAA", ":" + "A" * 20_000 + ":"],
    ids=range(8),
)
def test_rubbish_has_no_names(value: str) -> None:
    assert forwarded_names(value) is None


def test_a_certificate_that_is_cut_off_has_no_names(tmp_path: Path) -> None:
    value = header(tmp_path, "payments.example")

    for end in range(0, len(value) - 4, 61):
        assert forwarded_names(value[:end] + ":") is None
