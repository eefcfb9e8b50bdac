"""A text from outside is shown whole, as text, and changes nothing around it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.pages.hostile_text import MAX_SHOWN, exact, plain, short, shown
from telemetry.pages.markup import Markup
from tests.support.seen_page import SeenPage

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></textarea><!-- --><![CDATA[",
    "&lt;b&gt; &#x3c; &amp;amp;",
    "\u202eevil\u2066\u200b\ufeff\U000e0041",
    "a\u0300" + "\u0301" * 40,
    "\x00\x1b[31m\r\n\t\x7f\x85",
    "\ud800\udfff\ue000\ufffe",
    "שלום עליכם",
    "{{ 7*7 }}{% raw %}",
    "a\u00a0b\u3000c\u3164d\u2800e\u115f",
)
ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()))
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def unescaped(text: str) -> str:
    """Return what escapes stand for, in a text that has no backslash of its own."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape")


@given(ANY_TEXT)
def test_shown_text_is_the_text_with_escapes(text: str) -> None:
    page = SeenPage(str(shown(text)))

    assert set(page.tags) <= {"bdi", "span"}
    assert {(name, value) for _, name, value in page.attributes if name != "title"} <= {
        ("class", "text"),
        ("class", "odd"),
    }
    assert page.text == plain(text)


@given(ANY_TEXT.filter(lambda text: "\\" not in text))
def test_escapes_lose_no_character(text: str) -> None:
    kept = unescaped(plain(text))

    assert kept == text


@given(ANY_TEXT)
def test_no_unseen_character_is_left(text: str) -> None:
    for output in (plain(text), str(shown(text)), str(short(text, 5))):
        assert not {unicodedata.category(character) for character in output} & _UNSEEN
        output.encode()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str) -> None:
    page = SeenPage(str(shown(text)) + str(short(text, 7)) + str(Markup('<p title="{}"></p>').format(plain(text))))

    assert set(page.tags) <= {"bdi", "span", "p"}
    assert page.addresses == []


def test_direction_and_marks_end_with_the_text() -> None:
    assert str(shown("אב")) == '<bdi class="text">אב</bdi>'
    assert plain("\u0301x") == r"\u0301x"
    assert plain("e\u0301") == "e\u0301"
    assert plain("a" + "\u0301" * 6) == "a" + "\u0301" * 4 + r"\u0301" * 2


def test_hidden_run_is_one_marked_piece() -> None:
    page = SeenPage(str(shown("a" + "\u200b" * 5_000)))

    assert page.tags == ["bdi", "span"]
    title = next(value for _, name, value in page.attributes if name == "title")
    assert title.startswith("U+200B ZERO WIDTH SPACE, ")
    assert title.endswith(", and 4,992 more")


def test_long_text_is_cut_and_counted() -> None:
    huge = "\x00" * 10_000_000

    assert str(shown(huge)).endswith('<span class="rest">… and 9,980,000 more characters</span>')
    assert len(shown(huge)) < 10 * MAX_SHOWN
    assert plain("x" * 12, 10) == "xxxxxxxxxx … and 2 more characters"
    assert len(short(huge)) < 10_000


def test_form_value_comes_back_unchanged() -> None:
    text = 'a\u200b<"\u202e'

    page = SeenPage(f'<input value="{exact(text)}">')

    assert page.attributes == [("input", "value", text)]
    assert exact("\ud800") == "\ufffd"
    assert exact("😀") == "😀"
