from __future__ import annotations

from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.integrations.web.sampling import Sampling


def test_all_or_none_need_no_chance() -> None:
    assert all(Sampling(1).keeps() for _ in range(1_000))
    assert not any(Sampling(0).keeps() for _ in range(1_000))


def test_share_is_about_the_rate() -> None:
    kept = sum(Sampling(0.2).keeps() for _ in range(10_000))

    assert 1_500 < kept < 2_500  # more than twelve standard deviations


def test_observers_learn_of_changes_alone() -> None:
    seen: list[float] = []
    sampling = Sampling(0.5)
    sampling.observe(seen.append)

    sampling.rate = 0.5
    sampling.rate = 0.25
    sampling.rate = 1

    assert seen == [0.25, 1]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), True, "0.5", None])
def test_rate_outside_the_range_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        Sampling(wrong)
    sampling = Sampling(0.5)
    with pytest.raises(ConfigurationError):
        sampling.rate = wrong
    assert sampling.rate == 0.5
