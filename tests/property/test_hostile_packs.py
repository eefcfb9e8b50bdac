"""No change of a pack passes, and none ends a verification with an error instead of a finding."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.evidence import verify_pack
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.names import MANIFEST, NOTE
from telemetry.exceptions import FormatError
from telemetry.reader.trust import parse_trust_file
from tests.support.evidence_site import relisted, repacked, unpacked

VECTOR = Path(__file__).parent.parent / "vectors" / "evidence_pack.zip"
PACK = VECTOR.read_bytes()
FILES = unpacked(PACK)
POLICY = parse_trust_file(json.loads(VECTOR.with_suffix(".json").read_text("utf-8"))["trust"].encode())

texts = st.one_of(st.none(), st.text(max_size=20), st.integers(), st.floats(), st.booleans())
values = st.recursive(
    texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def verify(pack: bytes) -> int:
    known, unknown = verify_pack(BytesIO(pack), policy=POLICY), verify_pack(BytesIO(pack), policy=None)
    assert unknown.exit_code in (3, 4)
    for report in (known, unknown):
        json.dumps(report.to_dict())
        assert all(str(finding) for finding in report.findings)
    return known.exit_code


@settings(max_examples=200)
@given(st.integers(0, len(PACK) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at: int, change: int) -> None:
    assert verify(PACK[:at] + bytes([PACK[at] ^ change]) + PACK[at + 1 :]) == 3


@settings(max_examples=100)
@given(st.integers(0, len(PACK)), st.binary(max_size=64), st.integers(0, 64))
def test_no_cut_and_no_insertion_passes(at: int, inserted: bytes, cut: int) -> None:
    changed = PACK[:at] + inserted + PACK[at + cut :]
    if changed != PACK:
        assert verify(changed) == 3


@settings(max_examples=100)
@given(st.binary(max_size=2_000))
def test_rubbish_is_no_pack(data: bytes) -> None:
    with pytest.raises(FormatError, match="not an evidence pack as it was written"):
        Archive(BytesIO(data))
    assert verify(data) == 3


@settings(max_examples=150)
@given(st.sampled_from(sorted(set(FILES) - {NOTE})), st.binary(max_size=200))
def test_no_other_content_passes(name: str, content: bytes) -> None:
    files = {**FILES, name: content}
    if files != FILES:
        assert verify(repacked(files if name == MANIFEST else relisted(files))) == 3


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return each container inside a value, with each key or index of it."""
    found: list[tuple[Any, Any]] = []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        found += [(value, key), *_places(inner)]
    return found


@settings(max_examples=300)
@given(st.data())
def test_no_other_manifest_passes(data: st.DataObject) -> None:
    manifest = json.loads(FILES[MANIFEST])
    places = _places(manifest)
    container, key = places[data.draw(st.integers(0, len(places) - 1))]
    container[key] = data.draw(values)
    assert verify(repacked({**FILES, MANIFEST: json.dumps(manifest).encode("utf-8", "surrogatepass")})) == 3
