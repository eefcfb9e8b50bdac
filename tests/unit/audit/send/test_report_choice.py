"""The choice by reference counts is right on this interpreter, also once its code has been specialised."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.send import report_choice
from telemetry.audit.send.report_choice import EVERY_RECEIPT_IS_HELD, choose_reports, unheld_references

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


def _reported(records: list[SealedRecord], unheld: int) -> list[int]:
    choose_reports(records, [0] * len(records), on_report=_ignore, unheld=unheld)
    return [number for number, record in enumerate(records) if record.on_report is not None]


@counted
def test_trial_finds_a_count() -> None:
    assert unheld_references() != EVERY_RECEIPT_IS_HELD


@counted
def test_held_receipts_are_reported_after_specialisation() -> None:
    """CPython rewrites code that runs often; the counts must mean the same before and after."""
    unheld = unheld_references()
    for _ in range(_ROUNDS):
        records = _records()
        kept, again = records[5].receipt, [records[9].receipt] * 3
        assert _reported(records, unheld) == [5, 9, 26, 33]
        del kept, again
    assert unheld_references() == unheld


@counted
def test_receipt_held_by_other_frame_is_reported() -> None:
    def call(records: list[SealedRecord], receipt: Receipt | None) -> list[int]:
        chosen = _reported(records, unheld_references())
        assert receipt is records[2].receipt
        return chosen

    records = _records(6)

    assert call(records, records[2].receipt) == [2, 5]


@counted
def test_traced_code_never_spares_held_receipt() -> None:
    """A debugger or profiler may add references; it must not make a held receipt look unheld."""
    records = _records()
    kept = records[5].receipt

    def trace(frame: FrameType, _event: str, _arg: Any) -> Any:
        assert frame.f_locals is not None
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        chosen = _reported(records, unheld_references())
    finally:
        sys.settrace(before)

    assert 5 in chosen
    assert kept is records[5].receipt


def test_failed_trial_reports_every_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_choice, "_references", lambda _receipt: 1_000)

    unheld = unheld_references()

    assert unheld == EVERY_RECEIPT_IS_HELD
    assert _reported(_records(), unheld) == list(range(_COUNT))


def test_constant_count_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that gives every object the same count cannot tell a held receipt from another."""
    monkeypatch.setattr(report_choice, "_references", lambda _receipt: 3)

    assert unheld_references() == EVERY_RECEIPT_IS_HELD


def test_uncounted_python_reports_every_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "getrefcount", raising=False)

    assert unheld_references() == EVERY_RECEIPT_IS_HELD


def test_free_threaded_python_reports_every_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)

    assert unheld_references() == EVERY_RECEIPT_IS_HELD
