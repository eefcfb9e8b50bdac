"""The JWE of a record: one form only, and a header that an attacker writes as he likes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import MalformedRecordError, TamperedError
from telemetry.format import canonical_base64
from telemetry.format.value import jwe

KEY = bytes(range(32))
KID = jwe.key_id(KEY, key_uri="stub://key", wrapped=b"wrapped")
IV = bytes(12)
SEALED = jwe.seal(AESGCM(KEY), protected=jwe.protected_header(KID), iv=IV, plaintext=b'{"a":1}')


def with_header(text: str) -> bytes:
    header = canonical_base64.encode_url(text.encode("utf-8", "surrogatepass"))
    return header + SEALED[SEALED.index(b".") :]


def test_sealed_text_opens() -> None:
    assert json.loads(jwe.open_(AESGCM(KEY), jwe.parse(SEALED))) == {"a": 1}


@pytest.mark.parametrize(
    "kid",
    [
        "\u00e9" * 43,  # what cannot be compared in constant time as text
        "=" * 43,
        " " * 43,
        "A" * 42,
        "A" * 44,
        "A" * 42 + "B",  # unused bits that are not zero
        "A" * 42 + "+",
    ],
)
def test_kid_without_the_form_of_a_commitment(kid: str) -> None:
    with pytest.raises(MalformedRecordError):
        jwe.parse(with_header(f'{{"alg":"dir","enc":"A256GCM","kid":"{kid}"}}'))


HEADER = f'{{"alg":"dir","enc":"A256GCM","kid":"{KID}"}}'


@pytest.mark.parametrize(
    "header",
    [
        HEADER[:-1] + ',"zip":"DEF"}',
        HEADER[:-1] + ',"crit":["exp"],"exp":1}',
        HEADER[:-1] + ',"crit":["kid"]}',
        HEADER[:-1] + ',"b64":false,"crit":["b64"]}',
        HEADER[:-1] + ',"jku":"https://127.0.0.1/keys"}',
        HEADER[:-1] + ',"p2c":1000000000}',
        HEADER[:-1] + ',"cty":"JWT"}',
        HEADER[:-1] + f',"kid":"{KID}"}}',
        HEADER.replace('"alg":"dir"', '"alg":"none","alg":"dir"'),
        HEADER.replace('"alg":"dir"', '"alg":"dir","alg":"dir"'),
        HEADER.replace('"dir"', '"DIR"'),
        HEADER.replace('"dir"', '"d\\u0069r"'),
        HEADER.replace('"alg"', '"\\u0061lg"'),
        HEADER.replace("dir", "A256KW"),
        HEADER.replace("dir", "PBES2-HS256+A128KW"),
        HEADER.replace("dir", "RSA-OAEP-256"),
        HEADER.replace("A256GCM", "A128GCM"),
        HEADER.replace("A256GCM", "A256CBC-HS512"),
        HEADER.replace(f',"kid":"{KID}"', ""),
        HEADER.replace(f'"{KID}"', "null"),
        HEADER.replace(f'"{KID}"', f'["{KID}"]'),
        HEADER.replace(",", ", "),
        HEADER + " ",
        HEADER + "{}",
        "\ufeff" + HEADER,
        f"[{HEADER}]",
        "null",
        "[" * 700,
        '{"a":' * 150 + "1",
        "\ud800",
        "",
    ],
)
def test_header_in_any_other_form(header: str) -> None:
    with pytest.raises(MalformedRecordError):
        jwe.parse(with_header(header))


def _moved(parts: list[bytes]) -> list[list[bytes]]:
    header, _, iv, ciphertext, tag = parts
    return [
        [header, b"", iv, ciphertext],
        [header, b"", iv, ciphertext, tag, b""],
        [header, b"AAAA", iv, ciphertext, tag],  # an encrypted key, where direct encryption has none (RFC 7516 5.1)
        [header, iv, b"", ciphertext, tag],
        [header, b"", iv[:-4], ciphertext, tag],
        [header, b"", iv + b"AAAA", ciphertext, tag],
        [header, b"", b"", ciphertext, tag],
        [header, b"", iv, ciphertext, tag[:-1]],
        [header, b"", iv, ciphertext, tag[:16]],  # a tag of 96 bits, which GCM knows and A256GCM does not
        [header, b"", iv, ciphertext, b""],
        [header, b"", iv, ciphertext + b"=", tag],
        [header, b"", iv, ciphertext[:-3], tag],
        [header, b"", iv, b"+" + ciphertext[1:], tag],
        [header, b"", iv, ciphertext + b"\n", tag],
        [header + b"==", b"", iv, ciphertext, tag],
        [b"", b"", iv, ciphertext, tag],
        [b"A" * 2_000, b"", iv, ciphertext, tag],
        [],
    ]


@pytest.mark.parametrize("parts", _moved(SEALED.split(b".")), ids=range(18))
def test_parts_in_any_other_form(parts: list[bytes]) -> None:
    with pytest.raises(MalformedRecordError):
        jwe.parse(b".".join(parts))


def test_unused_bits_of_the_last_character() -> None:
    # The tag's 128 bits leave four bits of the last character unused; sixteen texts would decode to one tag.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(chr(SEALED[-1]))
    for bits in range(1, 16):
        with pytest.raises(MalformedRecordError):
            jwe.parse(SEALED[:-1] + alphabet[last ^ bits].encode())


def test_other_key_iv_or_header_is_refused() -> None:
    parsed = jwe.parse(SEALED)
    altered: list[tuple[bytes, Any]] = [
        (bytes(32), parsed),
        (KEY, parsed._replace(iv=b"\x01" + IV[1:])),
        (KEY, parsed._replace(protected=jwe.protected_header("A" * 43))),
        (KEY, parsed._replace(ciphertext=parsed.ciphertext[1:])),
        (KEY, parsed._replace(ciphertext=parsed.ciphertext[:15])),
    ]
    for key, parts in altered:
        with pytest.raises(TamperedError):
            jwe.open_(AESGCM(key), parts)
