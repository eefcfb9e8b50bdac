"""A checkpoint that a seal names must be in the archive, believed or not."""

from __future__ import annotations

import base64

import pytest

from telemetry.exceptions import FormatError
from telemetry.format.archive.seal import SealedStream
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.seals.trees import SealedTrees

_PRODUCER = "018f3b1c-0000-7000-8000-00000000000"


def _stream(producer: int = 1, size: int = 7, root: int = 1, signer: str = "00000001") -> SealedStream:
    return SealedStream(
        source="/test/payments",
        producer=f"{_PRODUCER}{producer}",
        size=size,
        root=base64.b64encode(bytes([root]) * 32).decode(),
        signer=signer,
        final=False,
    )


def _trees(*streams: SealedStream) -> SealedTrees:
    trees = SealedTrees()
    for number, stream in enumerate(streams):
        trees.add(stream, number)
    return trees


def _see(trees: SealedTrees, stream: SealedStream) -> None:
    trees.saw(
        source=stream.source,
        producer=stream.producer,
        size=stream.size,
        root=base64.b64decode(stream.root),
        signer=stream.signer,
    )


def test_every_tree_that_was_seen_is_no_finding() -> None:
    streams = [_stream(), _stream(2), _stream(1, signer="00000002"), _stream(1, size=9)]
    trees = _trees(*streams)
    assert len(trees) == 3, "the largest of a stream and key"
    for stream in streams:
        _see(trees, stream)

    assert list(trees.findings()) == []


@pytest.mark.parametrize(
    "other",
    [_stream(2), _stream(size=6), _stream(root=2), _stream(signer="00000002")],
    ids=["producer", "size", "root", "key"],
)
def test_another_checkpoint_does_not_replace_it(other: SealedStream) -> None:
    trees = _trees(_stream())
    _see(trees, other)

    (finding,) = trees.findings()

    assert (str(finding.verdict), finding.range, finding.place) == ("missing", "0-6", "evidence/seals/00000000.seal")
    assert f"7 records of {_PRODUCER}1 (/test/payments)" in finding.reason


def test_later_smaller_tree_does_not_lower_the_wanted_one() -> None:
    trees = _trees(_stream(size=9), _stream(size=7))
    _see(trees, _stream(size=7))

    assert [finding.last for finding in trees.findings()] == [8]


def test_largest_root_of_one_size_is_wanted() -> None:
    trees = _trees(_stream(root=2), _stream(root=9), _stream(root=5))
    _see(trees, _stream(root=9))

    assert list(trees.findings()) == []


def test_newest_roster_must_be_there() -> None:
    trees = _trees()
    trees.add_roster("ab" * 32, 1)
    trees.add_roster("", 2)
    trees.add_roster("cd" * 32, 3)
    trees.saw_roster("ab" * 32)

    (finding,) = trees.findings()
    assert (finding.field, finding.place) == ("roster", "evidence/seals/00000003.seal")
    trees.saw_roster("cd" * 32)
    assert list(trees.findings()) == []


def test_expected_seal_is_read() -> None:
    digest = "ab" * 32

    assert ExpectedSeal.parse("42") == ExpectedSeal(42)
    assert str(ExpectedSeal.parse(f"42:{digest}")) == f"42:{digest}"
    for text in ("", "-1", "42:", f"42:{digest}0", f"42:{digest.upper()}", "123456789", "4\u0662"):
        with pytest.raises(FormatError):
            ExpectedSeal.parse(text)
