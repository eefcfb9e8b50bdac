from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from telemetry.catalog.described.described_catalog import describe
from telemetry.catalog.described.lint import MAX_FILE_BYTES, Linted, lint
from tests.unit.catalog.shop_catalog import catalog

DESCRIBED = describe(catalog)


def linted(folder: Path, code: str) -> Linted:
    (folder / "shop.py").write_text(textwrap.dedent(code))
    return lint(DESCRIBED, [folder])


def said(found: Linted) -> list[tuple[int, str]]:
    return [(each.line, each.text) for each in found.findings]


def test_undeclared_types_are_found_with_their_place(tmp_path: Path) -> None:
    found = linted(
        tmp_path,
        """
        SENT = "mail.sent"
        WRONG: str = "mail.snt"

        async def act(self, telemetry):
            await telemetry.audit.log("order.refundet", {}, "ada")
            self.telemetry.audit.log(event_type="nothing.like.it", payload={}, user_id="ada")
            telemetry.audit.log(SENT, {"to": "a"}, "ada")
            telemetry.audit.log(WRONG, {"to": "a"}, "ada")
            telemetry.audit.seal("order.refunded", {"order_id": 1, "amount": 1})
            log = telemetry.audit.log
            log("other", {})
            audit.log("user.login", {"anything": 1})

        @audited("order.cancelled", entity="order")
        def cancel(): ...

        @telemetry.audited("user.logout")
        def logout(): ...
        """,
    )

    assert said(found) == [
        (6, "'order.refundet' is not declared; did you mean 'order.refunded'?"),
        (7, "'nothing.like.it' is not declared"),
        (9, "'mail.snt' is not declared; did you mean 'mail.sent'?"),
        (12, "'other' is not declared"),
        (15, "'order.cancelled' is not declared; did you mean 'order.refunded'?"),
    ]
    assert (found.findings[0].file, found.findings[0].column) == (str(tmp_path / "shop.py"), 31)
    assert (found.files, found.calls) == (1, 9)


def test_members_of_a_written_payload_are_checked(tmp_path: Path) -> None:
    found = linted(
        tmp_path,
        """
        telemetry.audit.log("order.refunded", {"order_id": 1, "amout": 2}, "ada")
        telemetry.audit.log("order.refunded", {"order_id": 1, **rest}, "ada")
        telemetry.audit.log("order.refunded", {"order_id": 1, name: 2}, "ada")
        telemetry.audit.log("order.refunded", payload, "ada")
        telemetry.audit.log("user.login", {"more": 1}, "ada")
        """,
    )

    assert said(found) == [
        (2, "'order.refunded' has no member 'amout'; did you mean 'amount'?"),
        (2, "'order.refunded' lacks the member 'amount'"),
    ] or said(found) == [
        (2, "'order.refunded' lacks the member 'amount'"),
        (2, "'order.refunded' has no member 'amout'; did you mean 'amount'?"),
    ]


def test_other_calls_are_left_alone(tmp_path: Path) -> None:
    found = linted(
        tmp_path,
        """
        import math, logging
        math.log("nothing")
        logging.getLogger().log("nothing", {})
        telemetry.audit.log(*arguments)
        telemetry.audit.get_audit_stats()
        log("nothing", {})
        "telemetry.audit.log('text')"
        """,
    )

    assert (said(found), found.calls) == ([], 0)


def test_type_that_is_no_text_is_unclear(tmp_path: Path) -> None:
    found = linted(
        tmp_path,
        """
        TWICE = "user.login"
        TWICE = "other"
        telemetry.audit.log(f"order.{verb}", {}, "ada")
        telemetry.audit.log(TWICE, {}, "ada")
        telemetry.audit.log(Types.REFUNDED, {}, "ada")
        """,
    )

    assert said(found) == []
    assert [each.line for each in found.unclear] == [4, 5, 6]


def test_unreadable_files_are_findings(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "binary.py").write_bytes(b"\x00\xff")
    (tmp_path / "huge.py").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    (tmp_path / "deep.py").write_text("x = " + "(" * 5_000 + ")" * 5_000)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "other.py").write_text("def f(:\n")

    found = lint(DESCRIBED, [tmp_path])

    assert [Path(each.file).name for each in found.findings] == ["binary.py", "broken.py", "deep.py", "huge.py"]
    assert {each.text for each in found.findings} == {"cannot be read as Python"}
    assert len(lint(DESCRIBED, [tmp_path / "broken.py"]).findings) == 1


def test_absent_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lint(DESCRIBED, [tmp_path / "absent"])
