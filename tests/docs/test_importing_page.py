from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.import_site import ImportSite, lines_of

PAGE = Path(__file__).parents[2] / "docs" / "importing.md"
EXAMPLES = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ImportSite]:
    with EmbeddedKafka() as kafka:
        yield ImportSite(kafka, tmp_path)


def _create_inputs(folder: Path) -> None:
    (folder / "events.jsonl").write_bytes(lines_of(range(3)))
    audits = [{"activityDisplayName": "Add user", "initiatedBy": {"user": {"id": f"u-{n}"}}} for n in range(3)]
    (folder / "directory-audits.json").write_text(json.dumps({"@odata.context": "x", "value": audits}, indent=2))
    records = [
        {
            "eventVersion": "1.10",
            "eventName": "ListBuckets",
            "eventSource": "s3.amazonaws.com",
            "eventTime": "2026-01-31T00:42:09Z",
            "eventID": f"e-{n}",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice"},
        }
        for n in range(3)
    ]
    (folder / "cloudtrail.json.gz").write_bytes(gzip.compress(json.dumps({"Records": records}).encode()))


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_logs_every_event(site: ImportSite, example: str) -> None:
    _create_inputs(site.folder)
    search_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-c", example],
        cwd=site.folder,
        env=os.environ | {"PATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert len(site.events()) == 3


def test_acknowledgement_is_as_the_page_shows_it(site: ImportSite) -> None:
    (shown,) = re.findall(r"^```json\n(.*?)\n```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)

    printed = site.log(lines_of(range(1)), "--ack").out.decode()

    assert list(json.loads(printed)) == list(json.loads(shown))
    assert json.loads(printed)["line"] == json.loads(shown)["line"]


def test_refused_numbers_of_the_page(site: ImportSite) -> None:
    (line,) = re.findall(r"A number would change: (.*)", PAGE.read_text("utf-8"))
    for number in re.findall(r"`([^`]+)`", line):
        ended = site.log(f'{{"event_type":"x","user_id":"y","n":{number}}}')
        assert ended.code == 8, number
        assert "would be changed" in ended.err
