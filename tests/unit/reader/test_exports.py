"""The reader's packages export what the documents show, and load nothing of it before it is used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PACKAGES = (
    "telemetry.reader",
    "telemetry.reader.sources",
    "telemetry.reader.verify",
    "telemetry.reader.prove",
    "telemetry.trail",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_exported_names_load_and_are_listed(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_import_loads_no_library() -> None:
    script = (
        f"import sys, {', '.join(PACKAGES)}\n"
        "libraries = {'confluent_kafka', 'cryptography', 'msgspec', 'obstore', 'opentelemetry', 'pydantic', 'rich'}\n"
        "print(sorted(libraries & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_verifying_loads_no_kafka_client() -> None:
    script = (
        "import sys\nfrom telemetry.reader.verify import Verifier\nfrom telemetry.reader import ReadRange\n"
        "print(sorted({'confluent_kafka', 'obstore'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
