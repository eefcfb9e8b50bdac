"""No text from outside becomes the address of another site."""

from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.explorer.access.own_path import is_plain_path, safe_next

BASE = "https://audit.example.com/sign-in"


@given(
    st.text(alphabet=st.sampled_from("/\\.%25cfeC:@?#&=ahtp \t\n\r\x00\u2044\uff0f"), max_size=40)
    | st.text(max_size=200)
)
@example("//evil.example")
@example("/\\evil.example")
@example("/\t/evil.example")
@example("/%09/evil.example")
@example("/%5c%5cevil.example")
@example("https:evil.example")
def test_next_page_is_of_this_site(text: str) -> None:
    path = safe_next(text)
    target = urlsplit(urljoin(BASE, path))

    assert (target.scheme, target.netloc) == ("https", "audit.example.com")
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert path.isascii()
    assert path.isprintable()


@given(st.text(alphabet=st.sampled_from("/.%2e2fE5cab"), max_size=20).map(lambda text: f"/{text}"))
def test_plain_path_has_no_dots(raw: str) -> None:
    if is_plain_path(raw):
        segments = unquote(raw).split("/")[1:]
        assert "." not in segments
        assert ".." not in segments
        assert "" not in segments[:-1]


@pytest.mark.parametrize("path", ["/", "/search?user=a%2Fb&type=x*", "/events/0190-a", "/history/user/a%2Fb", "/a/"])
def test_own_page_is_kept(path: str) -> None:
    assert safe_next(path) == path
