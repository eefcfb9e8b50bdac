"""Run the measurements, or (``--check``) only those with a bound, and fail if one is missed."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench import plan, report
from bench.arena import Arena
from bench.targets import TARGETS

_RESULTS = Path("bench/results/latest.json")


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only what has a bound; writes nothing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the events per measurement")
    chosen = parser.parse_args()
    results = _measure(plan.checked() if chosen.check else plan.full(), chosen.rounds, chosen.scale)
    if chosen.check:
        return _check(results["cases"])
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    report.write(results)
    return 0


def _measure(groups: list[plan.Group], rounds: int, scale: float) -> dict[str, Any]:
    machine = _machine()
    cases: list[dict[str, Any]] = []
    with Arena() as arena:
        for group in groups:
            found: dict[str, list[Any]] = {name: [] for name, _ in group}
            for number in range(rounds):
                for name, spec in group[:: -1 if number % 2 else 1]:
                    least = max(spec.tasks, spec.threads, 300)
                    sized = dataclasses.replace(spec, events=max(least, int(spec.events * scale)))
                    found[name].append(arena.run(sized))
                    print(spec.area, spec.size, name, found[name][-1], file=sys.stderr, flush=True)
            cases += [
                {"area": spec.area, "size": spec.size, "name": name, "rounds": found[name]} for name, spec in group
            ]
    machine["load_after"] = round(os.getloadavg()[0], 1)
    return {"machine": machine, "rounds": rounds, "scale": scale, "cases": cases}


def _check(cases: list[dict[str, Any]]) -> int:
    missed = 0
    for target in TARGETS:
        holds = target.holds(cases)
        missed += not holds
        values = target.values(cases)
        spread = f"{min(values):.2f} to {max(values):.2f}"
        side = ">=" if target.better == "more" else "<="
        verdict = "ok" if holds else "MISSED"
        print(f"{verdict:7} {target.name}: {median(values):.2f} ({spread}), wanted {side} {target.bound:g}")
    return 1 if missed else 0


def _machine() -> dict[str, Any]:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
