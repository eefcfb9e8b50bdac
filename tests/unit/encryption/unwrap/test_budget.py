from __future__ import annotations

from telemetry.encryption.unwrap.budget import LISTED_TRIES, MAX_LISTED, MAX_PRODUCERS, UnwrapBudget


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def budget_at(clock: Clock) -> UnwrapBudget:
    return UnwrapBudget(per_second=5.0, burst=20, breaker=20, clock=clock)


def spend(budget: UnwrapBudget, calls: int, *, producer: str = "") -> int:
    """Ask as often as told, for mismatches only; return how often it was allowed."""
    allowed = 0
    for number in range(calls):
        name = producer or f"stranger-{number}"
        if budget.allow(name, "kid"):
            budget.mismatch(name, "kid")
            allowed += 1
    return allowed


def test_mismatches_are_limited_to_a_rate() -> None:
    clock = Clock()
    budget = budget_at(clock)
    assert spend(budget, 1_000) == 20
    assert budget.wait() == 0.2
    clock.now += 1.0
    assert spend(budget, 1_000) == 5
    clock.now += 3_600.0
    assert spend(budget, 1_000) == 20


def test_what_opens_costs_nothing() -> None:
    budget = budget_at(Clock())
    for number in range(1_000):
        assert budget.allow(f"producer-{number}", "kid")
        budget.success(f"producer-{number}")


def test_known_producer_is_not_stopped_by_strangers() -> None:
    budget = budget_at(Clock())
    budget.success("known")
    assert spend(budget, 100) == 20
    assert budget.allow("known", "kid")
    assert not budget.allow("stranger", "kid")


def test_known_producer_named_by_forged_records() -> None:
    clock = Clock()
    budget = budget_at(clock)
    budget.success("known")
    assert spend(budget, 100, producer="known") == 20
    clock.now += 3_600.0
    # Its new keys now wait for their turn, and the first that opens ends that.
    assert not budget.allow("known", "kid")
    assert budget.allow("known", "kid", waited=True)
    budget.success("known")
    assert budget.allow("known", "kid")


def test_listed_key_needs_no_budget() -> None:
    budget = budget_at(Clock())
    budget.list_keys(["listed"])
    assert spend(budget, 100) == 20
    assert budget.allow("stranger", "listed")


def test_name_of_a_listed_key_is_forged() -> None:
    budget = budget_at(Clock())
    assert spend(budget, 100) == 20
    budget.list_keys(["listed"])
    for _ in range(LISTED_TRIES):
        assert budget.allow("stranger", "listed")
        budget.mismatch("stranger", "listed")
    assert not budget.allow("stranger", "listed")
    budget.list_keys(["listed"])
    assert not budget.allow("stranger", "listed")


def test_memory_is_bounded() -> None:
    budget = budget_at(Clock())
    for number in range(MAX_PRODUCERS + 100):
        budget.mismatch(f"{number}", "kid")
        budget.success(f"{number}")
        budget.mismatch(f"{number}", "kid")
    budget.list_keys(map(str, range(MAX_LISTED + 100)))
    assert len(budget._mismatches) == len(budget._known) == MAX_PRODUCERS
    assert len(budget._listed) == MAX_LISTED
