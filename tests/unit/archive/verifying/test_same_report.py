"""What is found on a topic is found in the archive of the topic, by the same words: every attack on the verifier once more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.same_report import SameReport
from tests.unit.reader.verify import test_keys_not_kept, test_verifier_attacks, test_verifier_more_attacks

_MODULES = (test_verifier_attacks, test_verifier_more_attacks, test_keys_not_kept)

for _module in _MODULES:
    # Under the names of this module, so that they are found and run a second time.
    for _name, _test in list(vars(_module).items()):
        if _name.startswith(("Test", "test_")):
            globals()[f"{_name}{'' if _name not in globals() else '_' + _module.__name__.rpartition('.')[2]}"] = _test


@pytest.fixture(autouse=True)
def verified_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify each trail as it is, and from an archive."""
    for module in _MODULES:
        monkeypatch.setattr(module, "verify", SameReport(tmp_path / "archives"), raising=False)
