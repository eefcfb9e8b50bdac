from __future__ import annotations

import gzip
import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.import_site import ImportSite, acknowledged_in, counts_of, lines_of
from tests.support.in_process import run

GOOD = '{"event_type":"step","user_id":"alice","n":%d}'


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.fixture
def site(kafka: EmbeddedKafka, tmp_path: Path) -> ImportSite:
    return ImportSite(kafka, tmp_path)


def test_bad_lines_are_kept_to_log_them_alone(site: ImportSite) -> None:
    bad = site.folder / "bad.jsonl"
    lines = [GOOD % 1, "not json", '{"user_id":"bob"}', GOOD % 2 + "\r", '{"n":1,"n":2}', GOOD % 3]

    ended = site.log("\n".join(lines), "--bad-lines", str(bad), "--json")

    assert ended.code == 8
    assert counts_of(ended)["bad"] == 3
    assert bad.read_text().splitlines() == [lines[1], lines[2], lines[4]]
    assert stat.S_IMODE(bad.stat().st_mode) == 0o600
    mended = bad.read_text().splitlines()[1]
    assert site.log(mended, "--event-type", "step", "--payload-field", "payload").code == 0
    assert len(site.events()) == 4


def test_file_for_bad_lines_is_never_replaced(site: ImportSite) -> None:
    bad = site.folder / "bad.jsonl"
    bad.write_text("earlier\n")

    ended = site.log(GOOD % 1, "--bad-lines", str(bad))

    assert ended.code == 2
    assert "exists already" in ended.err
    assert bad.read_text() == "earlier\n"


def test_input_with_one_fault_throughout_is_refused_once(site: ImportSite) -> None:
    ended = site.log("<event>secret</event>\n" * 500, "--json")

    assert ended.code == 2
    assert [line.split(":")[0] for line in ended.err.splitlines()[:3]] == ["line 1", "line 2 to line 20", "error"]
    assert "--preset" in ended.err
    assert "secret" not in ended.err
    assert counts_of(ended)["bad"] == 20


def test_text_that_is_no_json_is_refused_once(site: ImportSite) -> None:
    # Each line of CSV has another fault than the one before.
    ended = site.log("name,city\n1,2\n" * 200, "--json")

    assert ended.code == 2
    assert counts_of(ended)["bad"] == 20


def test_faults_after_a_good_line_stop_nothing(site: ImportSite) -> None:
    lines = ["x"] * 10 + [GOOD % 1] + ["x"] * 100 + [GOOD % 2]

    ended = site.log("\n".join(lines), "--json")

    assert ended.code == 8
    assert (counts_of(ended)["logged"], counts_of(ended)["bad"]) == (2, 110)
    places = [line.split(":")[0] for line in ended.err.splitlines() if line.startswith("line")]
    assert places == ["line 1", "line 2 to line 10", "line 12", "line 13 to line 111"]


def test_strict_stops_at_the_first_bad_line(site: ImportSite) -> None:
    ended = site.log(f"{GOOD % 1}\nx\n{GOOD % 2}\n", "--strict", "--json")

    assert ended.code == 8
    assert counts_of(ended)["logged"] == 1


def test_wrapper_is_no_event(site: ImportSite) -> None:
    wrapper = json.dumps({"Records": [json.loads(GOOD % n) for n in range(3)]})
    options = ("--event-type", "x", "--user-id", "y")

    refused = site.log(wrapper, *options)

    assert refused.code == 8
    assert "--items Records" in refused.err
    assert site.log(wrapper, "--items", "Records").code == 0
    assert site.numbers() == [0, 1, 2]
    assert site.log(wrapper, *options, "--items", ".").code == 0
    assert len(site.events()) == 4


def test_event_with_a_list_of_objects_is_an_event(site: ImportSite) -> None:
    line = {"event_type": "order", "user_id": "alice", "items": [{"sku": 1}]}

    assert site.log(json.dumps(line)).code == 0


def test_preset_logs_single_events_and_delivered_files(site: ImportSite) -> None:
    event = {
        "eventName": "ListBuckets",
        "eventSource": "s3.amazonaws.com",
        "eventTime": "2026-01-01T00:00:00Z",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/a"},
    }
    records = [event | {"eventID": f"e-{n}"} for n in range(5)]
    inputs = (
        "\n".join(map(json.dumps, records[:2])),
        json.dumps({"Records": records[2:4]}),
        json.dumps({"Records": records[4:]}, indent=1),
    )

    for text in inputs:
        ended = site.log(text, "--preset", "cloudtrail")
        assert ended.code == 0, ended.err

    assert sorted(logged["payload"]["eventID"] for logged in site.events()) == [f"e-{n}" for n in range(5)]


@pytest.mark.parametrize("form", ["array", "gzip", "utf-16"])
def test_other_forms_of_input(site: ImportSite, form: str) -> None:
    events = [json.loads(GOOD % n) for n in range(3)]
    data = {
        "array": json.dumps(events, indent=2).encode(),
        "gzip": gzip.compress(lines_of(range(3))),
        "utf-16": lines_of(range(3)).decode().encode("utf-16"),
    }[form]

    assert site.log(data).code == 0
    assert site.numbers() == [0, 1, 2]


@pytest.mark.parametrize("options", [(), ("--resume", "state")])
def test_objects_joined_on_one_line_are_events(
    site: ImportSite, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(site.folder)
    damaged = '{"event_type":"step","user_id":"ali' + GOOD % 3 + GOOD % 4
    data = f"{GOOD % 0}\n{GOOD % 1}{GOOD % 2}{damaged}\n{GOOD % 5} {GOOD % 6}"

    ended = site.log(
        gzip.compress(data.encode()), *options, "--keep-line", "--bad-lines", "bad.jsonl", "--ack", "--json"
    )

    assert ended.code == 8
    assert "line 2, item 3: is damaged" in ended.err
    assert "rest of this line was not logged" in ended.err
    assert (site.folder / "bad.jsonl").read_text() == damaged + "\n"
    assert [event["payload"]["line"] for event in site.events()] == [GOOD % n for n in (0, 1, 2, 5, 6)]
    places = [(line["line"], line.get("item")) for line in map(json.loads, ended.out.splitlines()[:-1])]
    assert places == [(1, None), (2, 1), (2, 2), (3, 1), (3, 2)]


def test_what_came_before_the_damage_is_logged(site: ImportSite) -> None:
    ended = site.log(gzip.compress(lines_of(range(3)))[:-4], "--json")

    assert ended.code == 2
    assert "after line 3: the input ends in the middle of its gzip data" in ended.err
    assert counts_of(ended)["delivered"] == 3


def test_kept_line_is_sealed_to_the_letter(site: ImportSite) -> None:
    line = '{"event_type": "step",  "user_id":"alice","n":1e-400, "n":9007199254740993.0, "text":"\\u00e9"}'

    refused = site.log(line)
    kept = site.log(line + "\r\n", "--keep-line")

    assert refused.code == 8
    assert "at byte 47; --keep-line keeps it" in refused.err
    assert kept.code == 0
    (event,) = site.events()
    assert event["payload"] == {"line": line}
    assert event["user_id"] == "alice"


def test_each_durable_event_is_acknowledged_in_order(site: ImportSite) -> None:
    lines = lines_of(range(300)).replace(b'"n":7}', b'"n":7,"n":7}')

    ended = site.log(lines, "--ack", "--json")

    acknowledged = acknowledged_in(ended.out)
    assert [line for line, _ in acknowledged] == [n + 1 for n in range(300) if n != 7]
    assert {name for _, name in acknowledged} == {event["id"] for event in site.events()}
    first = json.loads(ended.out.splitlines()[0])
    assert first.keys() == {"line", "event_id", "producer", "sequence", "level"}
    assert first["level"] == "delivered"
    assert counts_of(ended)["logged"] == 299


def test_items_are_acknowledged_by_their_numbers(site: ImportSite) -> None:
    ended = site.log(json.dumps([json.loads(GOOD % n) for n in range(3)]), "--ack")

    assert [json.loads(line)["item"] for line in ended.out.splitlines()] == [1, 2, 3]


def test_closed_standard_output_ends_the_reading(site: ImportSite) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "telemetry", "log", "-c", str(site.config), "--ack"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(lines_of(range(3)))
    process.stdin.flush()
    assert process.stdout.readline()
    process.stdout.close()
    process.stdin.write(lines_of(range(3, 6)))
    process.stdin.flush()

    # Nobody closes standard input: the command ends on its own.
    assert process.stderr is not None
    err = process.stderr.read().decode()
    assert process.wait(timeout=60) == 1, err
    assert "standard output was closed" in err
    process.stdin.close()
    process.stderr.close()
    assert site.numbers() == list(range(6))


@pytest.mark.parametrize("option", [["--ack"], ["--resume", "state"]])
def test_nothing_is_called_safe_that_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("telemetry.toml").write_text('environment = "test"\n[audit_config]\nkafka_brokers = "memory:"\n')
    line = b'{"event_type":"t","user_id":"u"}\n'

    ended = run("log", "-c", "telemetry.toml", *option, stdin=line)
    assert ended.code == 2
    assert option[0] in ended.err
    assert "sends no events" in ended.err
    assert not Path("state").exists()

    assert run("log", "-c", "telemetry.toml", stdin=line).code == 0
