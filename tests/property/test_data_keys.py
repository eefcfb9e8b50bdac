"""Varies time, sizes and the key service: no data key seals past its bounds."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.encryption.data_key import DataKeyring
from telemetry.exceptions import KeyUnreachableError
from tests.services.stub_keys import StubKeys

AGE, GRACE, USES, BYTES = 100.0, 30.0, 20, 1_000
LONGEST_BACK_OFF = 31.0

steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, BYTES)),
        st.tuples(st.just("take many"), st.integers(1, 2 * USES)),
        st.tuples(st.just("pass"), st.floats(0, 2 * (AGE + GRACE))),
        st.tuples(st.just("service"), st.booleans()),
        st.tuples(st.just("request"), st.none()),
    ),
    max_size=60,
)


class Life:
    """A key ring with a clock of the test's own, and the events that each key sealed."""

    def __init__(self) -> None:
        self.now = 0.0
        self.keys = StubKeys()
        self.ring = DataKeyring(
            self.keys,
            context={},
            max_age=AGE,
            max_uses=USES,
            max_bytes=BYTES,
            grace=GRACE,
            clock=lambda: self.now,
        )
        self.uses: Counter[str] = Counter()
        self.sealed: Counter[str] = Counter()
        self.order: list[str] = []

    def take(self, size: int) -> None:
        key = self.ring.take(size)
        self.settle()
        if key is None:
            return
        self.uses[key.kid] += 1
        self.sealed[key.kid] += size
        if not self.order or self.order[-1] != key.kid:
            assert key.kid not in self.order, "a key came back that had been replaced"
            self.order.append(key.kid)
        assert self.uses[key.kid] <= USES
        assert self.sealed[key.kid] <= BYTES
        assert self.now - key.born_at < AGE + GRACE

    def request(self) -> None:
        if self.keys.failure is not None:
            return
        self.now += LONGEST_BACK_OFF
        self.ring.request().result(60)
        self.settle()
        before = sum(self.uses.values())
        self.take(1)
        assert sum(self.uses.values()) == before + 1, "a key was promised"

    def settle(self) -> None:
        for thread in threading.enumerate():
            if thread.name == "telemetry-keys":
                thread.join(20)


@settings(deadline=None)
@given(steps=steps)
def test_bounds_always_hold(steps: list[tuple[str, Any]]) -> None:
    life = Life()
    for what, value in steps:
        if what == "take":
            life.take(value)
        elif what == "take many":
            for _ in range(value):
                life.take(1)
        elif what == "pass":
            life.now += value
        elif what == "service":
            life.keys.failure = None if value else KeyUnreachableError("down")
        else:
            life.request()
    assert life.keys.most_in_flight <= 1
    life.ring.close()
