from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from telemetry.evidence.verifying import verify_pack
from telemetry.exceptions import ConfigurationError

PACK = (Path(__file__).parents[2] / "vectors" / "evidence_pack.zip").read_bytes()


class Shrinking(BytesIO):
    """A file that somebody cuts off after its form was checked."""

    def __init__(self, content: bytes, *, reads: int) -> None:
        super().__init__(content)
        self._reads = reads

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads -= 1
        return super().read(size) if self._reads > 0 else b""


@pytest.mark.parametrize("reads", [60, 80])
def test_pack_that_shrinks_is_no_report(reads: int) -> None:
    with pytest.raises(ConfigurationError, match="changed while it was read"):
        verify_pack(Shrinking(PACK, reads=reads), policy=None)


def test_stream_stays_open() -> None:
    source = BytesIO(PACK)
    assert verify_pack(source, policy=None).exit_code == 4
    assert not source.closed


def test_report_has_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(verify_pack(BytesIO(b""), policy=None))
