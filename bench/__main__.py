"""Run the measurements."""

from __future__ import annotations

from statistics import median

from bench.arena import Arena
from bench.spec import Spec


def main() -> None:
    found: dict[str, list[float]] = {"audit": [], "produce": []}
    with Arena() as arena:
        for round_number in range(5):
            names = sorted(found, reverse=bool(round_number % 2))
            for name in names:
                result = arena.run(Spec(area="pipeline", contender=name))
                found[name].append(result["events_per_second"])
                print(name, result, flush=True)
    ratios = [ours / plain for ours, plain in zip(found["audit"], found["produce"], strict=True)]
    print(f"pipeline / plain produce: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
