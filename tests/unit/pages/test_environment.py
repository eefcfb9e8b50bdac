"""Every template is escaped, misses no name, and forms complete pages under a strict policy."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from string import ascii_letters, digits
from urllib.parse import parse_qs, urlsplit

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.pages.addresses import own_url
from telemetry.pages.charts.chart import words
from telemetry.pages.environment import page_environment, render
from telemetry.pages.hostile_text import PiecedText
from telemetry.pages.marks import ALL_MARKS, attested, record_marks
from telemetry.pages.moments import is_zone, local, utc
from telemetry.pages.style import style
from tests.support.seen_page import SeenPage

ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()))
EVIL = "<script>alert(1)</script>\u202e\"'&\x1b\ud800"
SAMPLE = """{% extends "filed.html" %}{% import "macros.html" as ui %}
{% block title %}{{ evil }}{% endblock %}
{% block main %}
<h1>{{ evil|shown }}</h1><p title="{{ evil }}">{{ evil }} <a href="{{ own_url("/search", evil, user=evil) }}">{{ evil|short(5) }}</a></p>
{{ ui.marks(record_marks("no", is_sealed=false, is_foreign=true, via=evil, is_opened=false)) }}
{{ ui.facts({evil: evil}) }}{{ ui.facts([]) }}{{ ui.moment(evil) }}{{ ui.long_text(evil * 50) }}{{ ui.legend() }}
{{ ui.banner("bad", evil, alert=true) }}{{ ui.progress(3, 10, label=evil) }}
{% call ui.verdict_box("tampered", evil) %}<p>{{ evil }}</p>{% endcall %}
{% call ui.table(evil, "t") %}<tbody><tr><td>{{ evil }}</td></tr></tbody>{% endcall %}
{% endblock %}"""


PLACES = page_environment().from_string(
    """<title>{{ text }}</title><p title="{{ text }}">{{ text }}</p><a href="{{ own_url("/x", text, text=text) }}">{{ text|plain(5) }}</a>
<textarea>{{ text }}</textarea><option>{{ text }}</option><input value="{{ text|exact }}"><svg>{{ words(text, x=1, y=2, width=90) }}</svg>""",
    globals={"words": words},
)


def test_page_of_hostile_values_has_no_foreign_element() -> None:
    text = page_environment().from_string(SAMPLE).render(evil=EVIL)
    page = SeenPage(text)

    assert "script" not in page.tags
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert text.encode()
    assert all(address.startswith("/search/%3Cscript%3E") for address in page.addresses)


@given(ANY_TEXT)
def test_text_in_any_place_stays_text(text: str) -> None:
    page = SeenPage(PLACES.render(text=text))

    tags = [tag for tag in page.tags if tag != "title"]
    assert tags == ["p", "a", "textarea", "option", "input", "svg", "text"]
    assert {(tag, name) for tag, name, _ in page.attributes} <= {
        *{("p", "title"), ("a", "href"), ("input", "value")},
        *{("text", name) for name in ("x", "y", "text-anchor", "direction")},
    }


def test_policy_allows_exactly_the_style_inside() -> None:
    text = page_environment().from_string('{% extends "filed.html" %}').render()
    inside = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)

    assert inside is not None
    assert policy is not None
    assert inside[1] == style()
    digest = base64.b64encode(hashlib.sha256(inside[1].encode()).digest()).decode()
    assert policy[1] == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_site_page_has_landmarks_and_nothing_inline() -> None:
    page = SeenPage(page_environment().from_string('{% extends "layout.html" %}').render())

    assert {"header", "nav", "main"} <= set(page.tags)
    assert not {"script", "style"} & set(page.tags)
    assert page.addresses == ["/style.css", "/icon.svg", "#main"]


def test_style_refers_to_nothing_outside() -> None:
    assert "://" not in style()
    assert "url(" not in style()
    assert "@import" not in style()
    assert "<" not in style()


def test_undefined_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        page_environment().from_string("{{ nobody }}").render()


def test_expression_without_filter_is_escaped() -> None:
    class Name(str):
        __slots__ = ()

    environment = page_environment()

    for value in ("<\u202e", Name("<\u202e"), PiecedText([("<\u202e", True)])):
        assert environment.from_string("{{ value }}").render(value=value) == r"&lt;\u202e"


def test_template_in_text_is_not_rendered() -> None:
    assert page_environment().from_string("{{ text }}").render(text="{{ 7 * 7 }}") == "{{ 7 * 7 }}"


def test_package_cannot_replace_a_shared_template() -> None:
    environment = page_environment("telemetry.pages")

    assert "frame.html" in environment.list_templates()
    assert render(environment, "layout.html").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("path", ["//elsewhere", "/\\elsewhere", "elsewhere", "javascript:alert(1)"])
def test_link_to_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="within the site"):
        own_url(path)


@given(st.sampled_from(["/", "/history/user", "/search/"]), st.lists(ANY_TEXT, max_size=3), ANY_TEXT)
def test_any_link_stays_within_the_site(path: str, parts: list[str], text: str) -> None:
    url = own_url(path, *parts, text=text)
    split = urlsplit(f"http://site{url}")

    assert url.startswith("/")
    assert not url.startswith("//")
    assert set(url) <= set(ascii_letters + digits + "/?=&%-._~")
    assert split.netloc == "site"
    assert parse_qs(split.query, keep_blank_values=True).get("text", [""]) == [text.encode("utf-8", "replace").decode()]


def test_link_escapes_texts_of_events() -> None:
    assert own_url("/history", "a/b", "\ud800?#") == "/history/a%2Fb/%3F%3F%23"
    assert own_url("/search", user="a&b=c", type_=["x", "y z"], since=None, text="") == (
        "/search?user=a%26b%3Dc&type=x&type=y%20z"
    )
    assert own_url("/") == "/"
    assert own_url("/", "", "evil.invalid") == "/evil.invalid"
    assert own_url("/", "\\\\evil") == "/%5C%5Cevil"


def test_times_are_utc_first_then_local() -> None:
    assert str(utc("2026-01-03T03:04:05.123456Z")) == (
        '<time datetime="2026-01-03T03:04:05.123456Z">2026-01-03 03:04:05.123 UTC</time>'
    )
    assert str(local("2026-01-03T03:04:05Z", "Europe/Berlin")) == '<span class="local">04:04:05 CET</span>'
    assert str(local("2026-01-03T23:04:05Z", "Europe/Berlin")) == '<span class="local">2026-01-04 00:04:05 CET</span>'


@pytest.mark.parametrize(
    ("time", "zone"),
    [
        ("2026-02-31T00:00:00Z", "Europe/Berlin"),
        ("9999-12-31T23:59:59Z", "Asia/Tokyo"),
        ("0001-01-01T00:00:00Z", "America/New_York"),
        ("<script>", "Europe/Berlin"),
        ("2026-01-03T03:04:05Z", "../../etc/passwd"),
        ("2026-01-03T03:04:05Z", "No/Where"),
        ("2026-01-03T03:04:05Z", None),
        ("٢٠٢٦-01-03T03:04:05Z", "Europe/Berlin"),
    ],
)
def test_odd_time_or_zone_shows_no_local_time(time: str, zone: str | None) -> None:
    assert local(time, zone) == ""
    assert "<script" not in utc(time)


def test_folder_of_zones_is_no_zone() -> None:
    assert is_zone("Europe/Berlin")
    assert not is_zone("Europe")
    assert not is_zone("x" * 10_000)
    assert not is_zone("/etc/localtime")
    assert not is_zone("UTC\x00")


def test_every_mark_has_words_and_a_meaning() -> None:
    assert len({mark.text for mark in ALL_MARKS}) == len(ALL_MARKS)
    assert all(mark.meaning.endswith(".") for mark in ALL_MARKS)
    assert [mark.text for mark in record_marks("yes", is_sealed=True)] == ["proven"]
    marks = record_marks("not judged", is_sealed=False, is_foreign=True, via="/prod/gateway", is_opened=False)
    assert [mark.text for mark in marks] == ["not judged", "not sealed", "foreign", "logged through", "sealed"]
    assert attested("key-1").of == "key-1"


@pytest.mark.parametrize("library", ["jinja2", "markupsafe"])
def test_missing_library_names_the_extra(library: str) -> None:
    script = f"import sys; sys.modules[{library!r}] = None\nimport telemetry.reader.verify.html_report"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 1
    assert "pip install 'telemetry-audit[cli]'" in done.stderr.splitlines()[-1]
