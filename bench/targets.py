"""The ratios that must hold, computed from one run."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

Case = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One ratio: its name, the bound, the aim, which side is good, and what is divided by what."""

    name: str
    bound: float
    aim: float
    better: Literal["more", "less"]
    ours: tuple[str, str, str]
    theirs: tuple[str, str, str] | None

    def values(self, cases: list[Case]) -> list[float]:
        """Return the ratio of every round."""
        ours = _rounds(cases, self.ours)
        if self.theirs is None:
            return ours
        return [mine / other for mine, other in zip(ours, _rounds(cases, self.theirs), strict=True)]

    def holds(self, cases: list[Case]) -> bool:
        """Return whether the median is on the right side of the bound."""
        value = median(self.values(cases))
        return value >= self.bound if self.better == "more" else value <= self.bound


_RATE = "events_per_second"
_OURS = ("pipeline", "audit", _RATE)
TARGETS = (
    Target("pipeline / plain produce()", 0.5, 0.8, "more", _OURS, ("pipeline", "produce", _RATE)),
    Target("pipeline / CSFLE payload encryption", 3, 6, "more", _OURS, ("pipeline", "csfle", _RATE)),
    Target("pipeline / AWS Encryption SDK", 8, 15, "more", _OURS, ("pipeline", "aws_encryption_sdk", _RATE)),
    Target("pipeline / hand-rolled aiokafka", 2, 3, "more", _OURS, ("pipeline", "hand_rolled", _RATE)),
    Target(
        "caller CPU / structlog + orjson line",
        1.2,
        0.8,
        "less",
        ("caller", "audit", "cpu_us"),
        ("caller", "structlog_orjson", "cpu_us"),
    ),
    Target(
        "durable / non-durable pipeline, 200 tasks",
        0.5,
        0.8,
        "more",
        ("pipeline", "200 tasks, durable", _RATE),
        ("pipeline", "200 tasks", _RATE),
    ),
    Target("durable events/s, 200 tasks", 20_000, 20_000, "more", ("durable", "audit, 200 tasks", _RATE), None),
    Target("accept to durable, p99, 200 tasks, ms", 20, 20, "less", ("durable", "audit, 200 tasks", "p99_ms"), None),
    Target("import telemetry, ms", 100, 50, "less", ("cold", "import_telemetry", "ms"), None),
)


def _rounds(cases: list[Case], wanted: tuple[str, str, str]) -> list[float]:
    area, name, metric = wanted
    for case in cases:
        if (case["area"], case["name"], case["size"]) == (area, name, 1024):
            return [found[metric] for found in case["rounds"]]
    raise KeyError(wanted)
