"""Options say how events are written, and what contradicts itself is refused before anything is read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from telemetry.cli.options.form import Form, Format, FormOptions, Layout
from telemetry.exceptions import ConfigurationError
from tests.support.some_events import opened

RULES = '[[rule]]\ntype = "order_*"\nclass_uid = 3006\nactivity_id = 3\n'


LAKE = {"lake": None, "lake_region": None, "lake_account": None, "lake_source": "telemetry"}


def _options(**values: Any) -> FormOptions:
    return FormOptions(
        {"form": Form.EVENT, "format_": Format.JSONL, "columns": None, "ocsf_rules": None, **LAKE} | values
    )


def test_rules_of_several_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(RULES.replace("order_*", "order_updated").replace("3006", "3004"))
    (tmp_path / "b.toml").write_text(RULES)

    options = _options(form=Form.OCSF, ocsf_rules=[str(tmp_path / "a.toml"), str(tmp_path / "b.toml")])

    assert options.schema.record(opened(entity="order", entity_id="7"))["type_uid"] == 300403


def test_rule_that_could_not_be_kept_is_remarked(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    options = _options(form=Form.OCSF, ocsf_rules=[str(tmp_path / "rules.toml")])

    with options.writing(io.BytesIO()) as writer:
        writer.write(opened())

    (remark,) = options.remarks()
    assert remark.startswith("1 events are API Activity and not Group Management (3006)")
    assert "group, privileges or user" in remark


def test_preset_by_its_name() -> None:
    options = _options(form=Form.OCSF, ocsf_rules=["okta"])
    payload = {"debugContext": {"debugData": {"privilegeGranted": "Organization administrator"}}}

    record = options.schema.record(opened(event_type="user.account.privilege.grant", payload=payload))

    assert (record["type_uid"], record["privileges"]) == (300501, ["Organization administrator"])


def test_preset_that_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match="there is no preset 'nobody'"):
        _options(form=Form.OCSF, ocsf_rules=["nobody"])


@pytest.mark.parametrize("form", [Form.EVENT, Form.CLOUDEVENTS])
def test_rules_for_a_schema_without(form: Form, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)

    with pytest.raises(ConfigurationError, match="--ocsf-rules"):
        _options(form=form, ocsf_rules=[str(tmp_path / "rules.toml")])


def test_plain_is_whole_events_as_lines() -> None:
    assert _options().is_plain
    assert not any(
        _options(**{name: value}).is_plain
        for name, value in {"form": Form.OCSF, "format_": Format.CSV, "columns": "time"}.items()
    )


@pytest.mark.parametrize(
    "values",
    [
        {"form": Form.EVENT},
        {"format_": Format.CSV},
        {"columns": "time"},
        {"lake_region": None},
        {"lake_account": None},
    ],
)
def test_lake_without_what_it_needs(values: dict[str, Any], tmp_path: Path) -> None:
    whole = {"form": Form.OCSF, "format_": Format.PARQUET, "lake": tmp_path, "lake_region": "eu-central-1"}
    whole |= {"lake_account": "123456789012"}

    with pytest.raises(ConfigurationError, match="--lake"):
        _options(**(whole | values))


@pytest.mark.parametrize(
    "values",
    [
        {"lake_region": "../x"},
        {"lake_account": "1/2"},
        {"lake_source": ".hidden"},
        {"lake_source": "a/b"},
        {"lake_source": ""},
        {"lake_region": "eu\n"},
    ],
)
def test_lake_with_a_name_that_is_a_path(values: dict[str, Any], tmp_path: Path) -> None:
    whole = {"form": Form.OCSF, "format_": Format.PARQUET, "lake": tmp_path, "lake_region": "eu-central-1"}
    options = _options(**(whole | {"lake_account": "123456789012"} | values))

    with pytest.raises(ConfigurationError, match="--lake-"), options.writing(io.BytesIO()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_layout_names_the_folder_and_the_format(tmp_path: Path) -> None:
    values = {"form": Form.OCSF, "layout": Layout.SECURITY_LAKE, "lake_region": "eu-central-1", "lake_account": "1"}
    options = _options(**values)

    assert (options.format, options.has_layout, options.lake) == (Format.PARQUET, True, None)
    assert options.into(tmp_path).lake == tmp_path
    with pytest.raises(ConfigurationError, match="--out"):
        options.into(None)


def test_layout_of_another_schema() -> None:
    with pytest.raises(ConfigurationError, match="--layout"):
        _options(layout=Layout.SECURITY_LAKE, lake_region="eu-central-1", lake_account="1")
