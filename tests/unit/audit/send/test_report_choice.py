"""The choice by reference counts is right on this interpreter, also once its code has been specialised."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.send import report_choice
from telemetry.audit.send.report_choice import EVERY_RECEIPT_IS_USED, choose_reports, references_of_unused

_ROUNDS = 2_000
_COUNT = 34

counted = pytest.mark.skipif(
    not report_choice._counts_are_exact(), reason="this Python does not count references exactly"
)


def _records(count: int = _COUNT) -> list[SealedRecord]:
    return [
        SealedRecord(event_id="", producer="", sequence=number, key=b"", size=0, receipt=Receipt("", "", number))
        for number in range(count)
    ]


def _ignore(_record: SealedRecord) -> None:
    """No report comes in these tests."""


def _reported(records: list[SealedRecord], unused: int) -> list[int]:
    choose_reports(records, [0] * len(records), on_report=_ignore, unused=unused)
    return [number for number, record in enumerate(records) if record.on_report is not None]


@counted
def test_trial_finds_a_count() -> None:
    assert references_of_unused() != EVERY_RECEIPT_IS_USED


@counted
def test_used_receipts_are_reported_after_specialisation() -> None:
    """CPython rewrites code that runs often; the counts must mean the same before and after."""
    unused = references_of_unused()
    for _ in range(_ROUNDS):
        records = _records()
        kept, again = records[5].receipt, [records[9].receipt] * 3
        assert _reported(records, unused) == [5, 9, 26, 33]
        del kept, again
    assert references_of_unused() == unused


@counted
def test_receipt_used_by_other_frame_is_reported() -> None:
    def call(records: list[SealedRecord], receipt: Receipt | None) -> list[int]:
        chosen = _reported(records, references_of_unused())
        assert receipt is records[2].receipt
        return chosen

    records = _records(6)

    assert call(records, records[2].receipt) == [2, 5]


@counted
def test_traced_code_never_spares_used_receipt() -> None:
    """A debugger or profiler may add references; it must not make a used receipt look unused."""
    records = _records()
    kept = records[5].receipt

    def trace(frame: FrameType, _event: str, _arg: Any) -> Any:
        assert frame.f_locals is not None
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        chosen = _reported(records, references_of_unused())
    finally:
        sys.settrace(before)

    assert 5 in chosen
    assert kept is records[5].receipt


def test_failed_trial_reports_every_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_choice, "_references", lambda _receipt: 1_000)

    unused = references_of_unused()

    assert unused == EVERY_RECEIPT_IS_USED
    assert _reported(_records(), unused) == list(range(_COUNT))


def test_constant_count_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that gives every object the same count cannot distinguish receipts."""
    monkeypatch.setattr(report_choice, "_references", lambda _receipt: 3)

    assert references_of_unused() == EVERY_RECEIPT_IS_USED


def test_uncounted_python_reports_every_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "getrefcount", raising=False)

    assert references_of_unused() == EVERY_RECEIPT_IS_USED


def test_free_threaded_python_reports_every_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)

    assert references_of_unused() == EVERY_RECEIPT_IS_USED
