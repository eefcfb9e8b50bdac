from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.ingest.mapping.preset_file import MAX_FILE, load_preset, preset_names, preset_text


def test_a_name_leads_to_a_packaged_preset() -> None:
    assert "okta" in preset_names()
    assert load_preset("okta").id_scope == "okta"
    assert preset_text("okta").startswith("# Okta")


@pytest.mark.parametrize("name", ["", "nothing", "Okta", "../okta", "okta/", "\0", "okta.toml"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="--preset"):
        load_preset(name)


def test_a_file_extends_a_packaged_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "okta"\n[fields]\nuser_id = "actor.id"\n[words]\nsuccess = ["CHALLENGE"]\n')

    preset = load_preset(str(path))

    assert preset.fields["user_id"] == "actor.id"
    assert preset.fields["event_type"] == "eventType"
    assert preset.words["success"] == ["CHALLENGE"]
    assert preset.items == "data.events"


def test_a_file_is_found_beside_the_one_that_extends_it(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('summary = "base"\n')
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n')

    assert load_preset(str(tmp_path / "mine.toml")).summary == "base"


def test_presets_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"\n')
    (tmp_path / "b.toml").write_text('extends = "a.toml"\n')

    with pytest.raises(ConfigurationError, match="extend each other"):
        load_preset(str(tmp_path / "a.toml"))


@pytest.mark.parametrize(
    "content",
    [
        b"[fields",
        b"feilds = 1",
        b"[[outcome]]\nvalue = 1",
        b"[[ocsf]]\ntype = 'x'",
        b"codes = 'soap'",
        b"summary = '\xff'",
        b"x = " + b"[" * 100_000,
        b"#" * (MAX_FILE + 1),
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="--preset"):
        load_preset(str(path))


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_preset(str(tmp_path / "none.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_preset(str(tmp_path / "folder.toml"))
