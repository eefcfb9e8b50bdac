"""Looks at pages in Chromium: what they say, what they try to do, and whether everybody can use them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Dialog, Page, Request

from tests.services.chromium import axe_rules

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ue000-\uf8ff\U000e0000-\U000fffff]"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Every element and attribute that the templates write. Content that escaped from its place would bring others.
_ELEMENTS = _words(
    "a aside b bdi body br button caption code dd details div dl dt em fieldset footer form h1 h2 h3 h4 head header hr html"
    " input label legend li link main meta nav ol optgroup option p pre progress samp script section select small span"
    " strong summary svg table tbody td textarea tfoot th thead time title tr ul kbd figure figcaption abbr mark output"
    " circle desc g line path rect text tspan polyline polygon"
)
_ATTRIBUTES = _words(
    "action autocomplete charset checked class cols colspan content cx cy d datetime defer dir disabled enctype fill for"
    " form headers height hidden href http-equiv id lang max maxlength method min minlength multiple name novalidate open"
    " pattern placeholder points preserveaspectratio r readonly rel required role rows rowspan rx ry scope selected size"
    " spellcheck src step tabindex target title transform type value viewbox width x x1 x2 xmlns y y1 y2 download"
    " focusable text-anchor inputmode start direction unicode-bidi"
)

_PARTS = {"/style.css", "/comfort.js", "/icon.svg"}
"""What a page may consist of beside itself."""

_COLLECT = """() => {
  const found = [];
  for (const element of document.querySelectorAll('*')) {
    const attributes = [];
    for (const attribute of element.attributes) attributes.push([attribute.name, attribute.value]);
    found.push([element.tagName.toLowerCase(), attributes]);
  }
  return found;
}"""


@dataclass
class WatchedPage:
    """A page, and everything that it did beyond being shown.

    Attributes:
        page: The page.
        messages: Errors and warnings of the console, and errors of scripts.
        dialogs: Texts of dialogs that opened.
        requests: Addresses of all requests.
        parts: Paths of those that were no pages.
    """

    page: Page
    messages: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    parts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("console", self._remember_message)
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", self._remember_dialog)
        self.page.on("request", self._remember_request)

    def _remember_request(self, request: Request) -> None:
        self.requests.append(request.url)
        if request.resource_type != "document":
            self.parts.add(urlsplit(request.url).path)

    def _remember_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.messages.append(message.text)

    def _remember_dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


def require_quiet(watched: WatchedPage, *, origin: str, expected: tuple[str, ...] = ()) -> None:
    """Check that a page wrote nothing to the console, opened no dialog, and asked nobody but its own server.

    Args:
        watched: The page.
        origin: Its server, ``http://127.0.0.1:port``.
        expected: Parts of messages that the test itself causes.
    """
    messages = [message for message in watched.messages if not any(part in message for part in expected)]
    assert not messages, (watched.page.url, messages[:5])
    assert not watched.dialogs, watched.page.url
    elsewhere = [url for url in watched.requests if not url.startswith((f"{origin}/", "data:"))]
    assert not elsewhere, (watched.page.url, elsewhere[:5])
    assert watched.parts <= _PARTS, watched.page.url


def require_inert(watched: WatchedPage, *, origin: str) -> None:
    """Check that nothing of what a page shows acts in it, became a part of it, or hides from its reader."""
    page = watched.page
    require_quiet(watched, origin=origin)
    assert page.evaluate("() => window.hostile === undefined"), f"a script of an event ran on {page.url}"
    for element, attributes in page.evaluate(_COLLECT):
        assert element in _ELEMENTS, (page.url, element, attributes)
        for name, value in attributes:  # those of a drawing have capital letters
            _require_plain_attribute(page, element, name.lower(), value)
    assert not _INVISIBLE.search(page.title()), page.url
    shown = page.evaluate("() => document.body.innerText")
    hidden = _INVISIBLE.search(shown)
    assert hidden is None, (page.url, ascii(shown[max(hidden.start() - 40, 0) : hidden.end() + 40]))


def _require_plain_attribute(page: Page, element: str, name: str, value: str) -> None:
    where = (page.url, element, name, value[:200])
    assert name in _ATTRIBUTES or name.startswith(("aria-", "data-")), where
    assert name != "data-hostile", where
    if name in {"href", "src", "action"}:
        assert value == "" or re.match(r"[/#?][^/\\]|[/#?]\Z", value), where
        assert element != "base", where
    if name == "class":
        assert "hostile" not in value.split(), where
    if name in {"id", "name"}:
        assert re.fullmatch(r"[A-Za-z0-9_.:-]*", value), where


def require_accessible(page: Page) -> None:
    """Check a page with every rule of axe, best practices among them."""
    findings = _axe(page)
    assert not findings, f"{page.url}: {findings}"


def _axe(page: Page) -> list[dict[str, Any]]:
    page.evaluate(axe_rules().read_text("utf-8"))
    result = page.evaluate("async () => await axe.run(document, {resultTypes: ['violations']})")
    return [
        {"rule": violation["id"], "help": violation["help"], "nodes": [_shown(node) for node in violation["nodes"][:5]]}
        for violation in result["violations"]
    ]


def _shown(node: dict[str, Any]) -> str:
    return f"{node['target']} {node['html'][:160]} {node.get('failureSummary', '')[:300]}"


def width_beyond(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    width: int = page.evaluate("() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth")
    return width
