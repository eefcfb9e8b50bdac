"""Runs the examples of docs/catalog.md, and compares its lists with the code."""

from __future__ import annotations

import random
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from telemetry.catalog.builtin import builtin
from telemetry.catalog.card_numbers import is_card_number
from telemetry.catalog.secret_names import SECRET_NAMES
from telemetry.testing import CapturedEvents
from tests.support.in_process import run

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

(CONFIGURATION,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_examples_run_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, captured_events: CapturedEvents
) -> None:
    declared, logged, scrubbed = EXAMPLES
    (tmp_path / "telemetry.toml").write_text(
        'environment = "test"\n[audit_config]\nkafka_brokers = "memory:"\n' + CONFIGURATION
    )
    monkeypatch.chdir(tmp_path)
    module = ModuleType("shop_of_the_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(declared, "catalog.md", "exec"), vars(module))  # noqa: S102
    exec(compile(logged, "catalog.md", "exec"), vars(module))  # noqa: S102
    exec(compile(scrubbed, "catalog.md", "exec"), {})  # noqa: S102

    kind = module.catalog.find("order.refunded")
    assert [event.payload["iban"] for event in captured_events.all("order.refunded")] == ["****3000", "****3000"]
    captured_events.one("user.login", outcome="success")
    event = module.OrderRefunded(order_id=7, amount="9.90", iban="DE89370400440532013000", token="t")
    assert kind.check(event).payload == {"order_id": 7, "amount": "9.90", "iban": "****3000"}


def test_page_lists_every_built_in_type() -> None:
    assert re.findall(r"`([a-z_]+\.[a-z_]+)`", section("Built-in types").partition("\n\n")[2]) == [
        kind.name for kind in builtin
    ]


def test_page_lists_every_name_of_a_secret() -> None:
    listed = section("Scrubbing").partition("accessToken`):")[2].partition(". Null")[0]

    assert tuple(re.findall(r"`([a-z0-9 ]+)`", listed)) == SECRET_NAMES


def test_share_of_random_numbers_is_as_said() -> None:
    numbers = random.Random(7)  # noqa: S311 - the same numbers each time
    taken = sum(is_card_number(str(numbers.randrange(10**15, 10**16))) for _ in range(20_000))

    assert 27 < 20_000 / taken < 33


def test_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lines,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line, comments=True)[1:] for line in lines.splitlines()]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "events.py").write_text(EXAMPLES[0])
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "act.py").write_text('audit.log("order.refundet", {}, "ada")\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "shop.events", raising=False)
    monkeypatch.delitem(sys.modules, "shop", raising=False)

    codes = [run(*words).code for words in commands[:2]]
    (tmp_path / "released.json").write_bytes((tmp_path / "catalog.json").read_bytes())
    codes += [run(*words).code for words in commands[2:4]]

    assert codes == [0, 0, 0, 1]
    # These need a trail; their options exist.
    assert all(run(*words, "--help").code == 0 for words in commands[4:])
