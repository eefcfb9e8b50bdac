from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from telemetry.catalog.described.described_catalog import describe
from telemetry.catalog.described.document import to_document
from telemetry.catalog.described.loading import load_catalog
from telemetry.exceptions import ConfigurationError
from tests.unit.catalog.shop_catalog import catalog

CODE = """
from telemetry.catalog import AuditCatalog
catalog = AuditCatalog("own", version=1)
class Holder:
    catalog = catalog
number = 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events_of_a_test.py").write_text(CODE)
    monkeypatch.delitem(sys.modules, "events_of_a_test", raising=False)
    return tmp_path


def test_variable_is_loaded_from_the_present_folder(folder: Path) -> None:
    before = list(sys.path)

    assert load_catalog("events_of_a_test:catalog", option="--catalog").name == "own"
    assert load_catalog("events_of_a_test:Holder.catalog", option="--catalog").name == "own"
    assert sys.path == before
    assert folder.exists()


def test_exported_file_is_read_and_not_executed(folder: Path) -> None:
    (folder / "catalog.json").write_bytes(msgspec.json.encode(to_document(describe(catalog))))

    assert load_catalog("catalog.json", option="--catalog") == describe(catalog)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "events_of_a_test",
            ":catalog",
            "events_of_a_test:",
            "events_of_a_test:absent",
            "events_of_a_test:number",
        ),
        *("absent_module:catalog", "events_of_a_test:Holder.absent.more", "absent.json", "broken_module:catalog"),
    ],
)
def test_what_is_no_catalogue_is_refused(folder: Path, text: str) -> None:
    (folder / "broken_module.py").write_text("raise RuntimeError('broken')\n")

    with pytest.raises(ConfigurationError, match="--catalog"):
        load_catalog(text, option="--catalog")
