"""The file is believed only if nobody else could have written it, and each field is found in its line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.config.loading.stated_file import StatedFile
from telemetry.exceptions import ConfigurationError

CONTENT = '''# The configuration of the shop
service_name = "shop"   # its name
environment = """
[audit_config]
kafka_topic = "no field"
"""

[audit_config]
kafka_brokers = "kafka:9093"
clear_fields = [
  "user_id",   # one
  "entity_id",
]
kafka_config.username = "shop"
kafka_config = { }

[[audit_config.event_policies]]
type = "order.*"

[[audit_config.event_policies]]
type = "user.*"

[ audit_config . "storage_config" ]
provider = 'local_file'
'''


def _stated(folder: Path, content: str) -> StatedFile:
    file = folder / "telemetry.toml"
    file.write_bytes(content.encode())
    return StatedFile(file)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_each_field_has_its_line(tmp_path: Path, end: str) -> None:
    stated = _stated(tmp_path, CONTENT.replace("kafka_config = { }\n", "").replace("\n", end))

    assert stated.lines == {
        ("service_name",): 2,
        ("environment",): 3,
        ("audit_config", "kafka_brokers"): 9,
        ("audit_config", "clear_fields"): 10,
        ("audit_config", "kafka_config", "username"): 14,
        ("audit_config", "event_policies"): 17,
        ("audit_config", "storage_config", "provider"): 23,
    }


def test_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        _stated(tmp_path, CONTENT)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c-d", '"e f"']),
        st.sampled_from(["1", '"x"', "'''\n[t]\ny = 1\n'''", "[1,\n 2]", '"""\\\n  x"""', "{ a = 1 }"]),
        max_size=4,
    )
)
def test_every_field_has_a_line(fields: dict[str, str]) -> None:
    content = "[t]\n" + "\n".join(f"{name} = {value}" for name, value in fields.items())
    stated = StatedFile(None)
    stated._text = content

    lines = stated.lines

    assert {path[1] for path in lines} == set(tomllib.loads(content)["t"])
    for path, line in lines.items():
        assert content.split("\n")[line - 1].partition(" =")[0].strip('"') == path[1]


def test_no_file_states_nothing() -> None:
    stated = StatedFile(None)

    assert (stated.values, stated.lines, stated.path) == ({}, {}, None)


def test_file_that_never_ends_a_statement_is_bounded() -> None:
    stated = StatedFile(None)
    stated._text = "a = [\n" * 3_000 + "b = 1\n"

    assert len(stated.lines) <= 1


def test_large_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is larger than"):
        _stated(tmp_path, "#" * (1 << 20) + "#\n")


def test_repr_shows_no_value(tmp_path: Path) -> None:
    assert "canary" not in repr(_stated(tmp_path, 'service_name = "canary"\n'))


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a file"):
        StatedFile(tmp_path / "telemetry.toml")
