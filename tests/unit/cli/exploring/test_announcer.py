from __future__ import annotations

import json
import re
import stat
import webbrowser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from telemetry.cli.exploring.announcer import Announcer
from telemetry.config import ExplorerConfig
from telemetry.config.explorer.proxy import ProxyIdentityConfig
from telemetry.explorer.access.access import Access, local_access, served_access
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.access.right import Right
from telemetry.explorer.index.state import IndexState
from telemetry.gateway.server.address import Address
from tests.support.access_site import unrecorded

ADDRESS = Address("http", host="127.0.0.1", port=43121)
LINK = re.compile(r"http://127\.0\.0\.1:43121/enter/[\w-]{20,}")


def _local() -> Access:
    config = unrecorded()
    return local_access(config, base_url=str(ADDRESS), right=Right.READ, looks=Looks(config))


def test_link_is_no_argument_of_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)

    with Announcer(opens_browser=True, json=True) as announcer:
        announcer.started(ADDRESS, _local())
        page = Path(unquote(urlsplit(opened[0]).path))
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (page, page.parent)]
        text = page.read_text("utf-8")

    assert "/enter/" not in opened[0]
    assert LINK.search(text)
    assert modes == [0o600, 0o700]
    assert not page.parent.exists()


def test_json_has_address_and_link_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Announcer(opens_browser=False, json=True) as announcer:
        announcer.started(ADDRESS, _local())

    said = json.loads(capsys.readouterr().out)
    assert said["address"] == "http://127.0.0.1:43121"
    assert LINK.fullmatch(said["link"])


def test_link_is_on_one_line_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    with Announcer(opens_browser=False, json=False) as announcer:
        announcer.started(ADDRESS, _local())
        announcer.filled(IndexState(indexed=7, read=9, is_following=True, is_cut=True, left_out=2))
        announcer.troubled("no broker answers [red]x[/]")

    shown = capsys.readouterr()
    assert shown.out == ""
    assert any(LINK.fullmatch(line.strip()) for line in shown.err.splitlines())
    assert (
        "9 records read: 7 events in memory; 2 are left out, because --most is reached; new events appear" in shown.err
    )
    assert "[red]x[/]" in shown.err


def test_served_explorer_says_where_it_listens(capsys: pytest.CaptureFixture[str]) -> None:
    explorer = ExplorerConfig(
        public_urls=("https://audit.example.com",), proxy=ProxyIdentityConfig(peers=("127.0.0.1",))
    )
    config = unrecorded().model_copy(update={"explorer_config": explorer})

    with Announcer(opens_browser=True, json=False) as announcer:
        announcer.started(ADDRESS, served_access(config, base_urls=explorer.public_urls, looks=Looks(config)))

    assert "listening on http://127.0.0.1:43121" in capsys.readouterr().err
