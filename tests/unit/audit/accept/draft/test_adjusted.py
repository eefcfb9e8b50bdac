"""Texts that do not fit are cut, escaped and marked, and two different ones never become the same (ADR 0022)."""

from __future__ import annotations

import base64
import hashlib
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.audit.accept.draft.adjusted import adjusted_text, is_fit

LIMIT = 64
ANY_TEXT = st.text(alphabet=st.characters(), max_size=200)


def written(text: str) -> str:
    return text if is_fit(text, LIMIT) else adjusted_text(text, LIMIT)


def suffix(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return "~" + base64.urlsafe_b64encode(digest).decode()[:22]


@pytest.mark.parametrize(
    ("original", "body"),
    [
        ("", ""),
        ("   ", "   "),
        ("a\x85b", "a\\u0085b"),
        ("a\\\n", "a\\\\\\u000a"),
        ("\ud800x", "\\ud800x"),
        ("x" * 65, "x" * 41),
        ("\n" * 65, "\\u000a" * 6),
        (adjusted_text("x" * 65, LIMIT), "x" * 41),
    ],
)
def test_unfit_text_becomes_body_and_hash(original: str, body: str) -> None:
    assert not is_fit(original, LIMIT)
    assert adjusted_text(original, LIMIT) == body + suffix(original)


@pytest.mark.parametrize(
    "text", ["a", "ü", "漢字", "a b", "C:\\Users", "~", "a~b", "x" * 64, "a~" + "b" * 21, "\U0001f512"]
)
def test_usual_text_is_fit(text: str) -> None:
    assert is_fit(text, LIMIT)


@given(first=ANY_TEXT, second=ANY_TEXT)
@example(first="x" * 65, second=adjusted_text("x" * 65, LIMIT))
@example(first="", second=suffix(""))
@example(first="\\n\n", second="\n\\n")
def test_different_texts_stay_different(first: str, second: str) -> None:
    assert (written(first) == written(second)) == (first == second)


@given(ANY_TEXT)
def test_what_is_written_fits(text: str) -> None:
    result = written(text)

    assert 0 < len(result) <= LIMIT
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in result)
    result.encode()
