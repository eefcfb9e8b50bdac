"""Parses a page as a browser would, and keeps what is to be seen of it."""

from __future__ import annotations

from html.parser import HTMLParser

_EMPTY = {"br", "hr", "img", "input", "link", "meta"}
_ADDRESSES = {"src", "href", "action", "style", "formaction", "srcset", "xlink:href"}


class SeenPage(HTMLParser):
    """The elements, attributes and words of a page; it fails if elements are not closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """Every word of the page."""
        return "".join(self.words)

    @property
    def addresses(self) -> list[str]:
        """The value of every attribute that can lead somewhere or change how something looks."""
        return [value for _, name, value in self.attributes if name in _ADDRESSES or name.startswith("on")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, text or "") for name, text in attrs]
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, text or "") for name, text in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)
