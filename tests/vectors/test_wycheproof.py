"""Wycheproof's cases for AES-256-GCM, through the functions that seal and open records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import TamperedError
from telemetry.format import canonical_base64
from telemetry.format.value import jwe
from telemetry.format.value.jwe import Jwe

_FILE = Path(__file__).with_name("wycheproof_aes_gcm.json")
CASES: list[dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))["tests"]


def raw(case: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(case[name])


def test_file_holds_the_cases_that_apply() -> None:
    results = [case["result"] for case in CASES]
    assert (results.count("valid"), results.count("invalid")) == (18, 27)
    assert {(len(raw(case, "key")), len(raw(case, "iv")), len(raw(case, "tag"))) for case in CASES} == {(32, 12, 16)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['tcId']} {case['comment']}".strip())
def test_published_case(case: dict[str, Any]) -> None:
    cipher, sealed = AESGCM(raw(case, "key")), raw(case, "ct") + raw(case, "tag")
    parts = Jwe(protected=raw(case, "aad"), kid="", iv=raw(case, "iv"), ciphertext=sealed)
    if case["result"] == "invalid":
        with pytest.raises(TamperedError):
            jwe.open_(cipher, parts)
        return
    message = raw(case, "msg")
    assert jwe.open_(cipher, parts) == message
    _, _, iv, ciphertext, tag = jwe.seal(cipher, protected=b"", iv=parts.iv, plaintext=message).split(b".")
    assert canonical_base64.decode_url(iv) == parts.iv
    assert canonical_base64.decode_url(ciphertext)[: len(message)] == raw(case, "ct")
    if not parts.protected and len(message) % 3 == 0:  # else spaces follow the text, or other associated data
        assert canonical_base64.decode_url(tag) == raw(case, "tag")
