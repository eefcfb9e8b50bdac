"""Runs the blocks of docs/integrations/django.md in a copy of the example project."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.django_example import EXAMPLES, ExampleServer, copy, logged, run

PAGE = (Path(__file__).parents[2] / "docs" / "integrations" / "django.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n# (shop/\w+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_first_block_is_what_the_example_adds() -> None:
    plain, audited = ((EXAMPLES / name / "shop/settings.py").read_text() for name in ("plain", "audited"))

    assert BLOCKS[0] == ("shop/settings.py", audited.removeprefix(plain))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    with EmbeddedKafka() as broker:
        copy(EXAMPLES / "plain", tmp_path, brokers=broker.bootstrap_servers)
        for name, block in BLOCKS:
            with (tmp_path / name).open("a") as file:
                file.write(block)
        yield tmp_path


def test_blocks_run_in_the_example(project: Path) -> None:
    run(project, "manage.py", "makemigrations", "shop")
    assert "OK" in run(project, "manage.py", "test", "shop")
    assert "no issues" in run(project, "manage.py", "check")
    run(project, "manage.py", "migrate", "--verbosity", "0")
    production = "--settings=shop.settings_production"
    script = "from shop.models import Order; Order.objects.create(article='tea')"
    run(project, "manage.py", "migrate", "--verbosity", "0", production)
    run(project, "manage.py", "shell", "-c", script, production)
    assert logged(project) == []
    assert "1 relayed, 0 held, 0 waiting" in run(project, "manage.py", "audit_relay", "--once", production)
    with ExampleServer(project, "-m", "uvicorn", "--port", "PORT", "shop.asgi:application") as shop:
        shop.post("/orders/ship/")
        shop.end()
    assert [event.event_type for event in logged(project)] == ["order.created", "order.updated", "http.request"]
    assert "Application shutdown complete" in shop.output()


def test_every_setting_is_documented() -> None:
    from telemetry.integrations.django.settings import KEYS  # noqa: PLC0415 - needs the extra

    table = PAGE.partition("| key of `TELEMETRY` |")[2].partition("\n\n")[0]
    listed = {
        name for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }

    assert listed == KEYS - {"before_response_timeout"}
