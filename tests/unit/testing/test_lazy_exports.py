from __future__ import annotations

import subprocess
import sys

import pytest

import telemetry.testing


def test_import_loads_neither_pytest_nor_kafka() -> None:
    script = (
        "import sys, telemetry.testing\n"
        "print(sorted({'pytest', 'confluent_kafka', 'obstore', 'boto3'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_exported_names_load_and_are_listed() -> None:
    for name in telemetry.testing.__all__:
        assert getattr(telemetry.testing, name).__name__ == name
    assert set(telemetry.testing.__all__) <= set(dir(telemetry.testing))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'EmbeddedKafak'"):
        _ = telemetry.testing.EmbeddedKafak
