from __future__ import annotations

from telemetry.audit.accept.salts import Salts


def test_no_salt_is_drawn_twice() -> None:
    salts = Salts()
    drawn = [salts.draw() for _ in range(1_000)]

    assert {len(salt) for salt in drawn} == {32}
    assert len(set(drawn)) == 1_000


def test_two_streams_draw_different_salts() -> None:
    one, other = Salts(), Salts()

    assert not {one.draw() for _ in range(300)} & {other.draw() for _ in range(300)}


def test_salts_show_nothing() -> None:
    salts = Salts()
    salts.draw()

    assert repr(salts) == "Salts()"
