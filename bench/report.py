"""Turns raw results into the tables of docs/performance.md and the plot beside it."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from bench.targets import TARGETS

BEGIN = "<!-- measured: begin (written by make bench) -->"
END = "<!-- measured: end -->"
PAGE = Path("docs/performance.md")
PLOT = Path("docs/performance.svg")
_TITLES = {
    "pipeline": "Pipeline: from `log()` to Kafka's acknowledgement",
    "caller": "Caller: one `log()` call",
    "durable": "Durable: from `log()` to the disk",
    "reading": "Reading the topic",
    "cold": "Start of a process, and memory at rest",
}


def write(results: dict[str, Any]) -> None:
    """Write tables and plot."""
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    PAGE.write_text(f"{head}{BEGIN}\n\n{tables(results)}\n{END}{tail}")
    _plot(results["cases"])


def tables(results: dict[str, Any]) -> str:
    """Return every table in Markdown."""
    machine = results["machine"]
    measured_on = (
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}; {results['rounds']} rounds, {results['scale']:g} of the full "
        f"event counts; load average {machine['load_before']} before and {machine['load_after']} after the run."
    )
    lines = [
        measured_on,
        "",
        "| ratio, 1 KB payload | at least | aim | median | lowest to highest | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for target in TARGETS:
        values = target.values(results["cases"])
        verdict = "holds" if target.holds(results["cases"]) else "**falls short**"
        bound = f"{target.bound:g}" if target.better == "more" else f"at most {target.bound:g}"
        spread = f"{min(values):.2f} to {max(values):.2f}"
        lines.append(f"| {target.name} | {bound} | {target.aim:g} | {median(values):,.2f} | {spread} | {verdict} |")
    measured = {case["area"] for case in results["cases"]}
    for area, title in _TITLES.items():
        if area not in measured:
            continue
        lines += ["", f"### {title}", "", *_area(results["cases"], area)]
    return "\n".join(lines) + "\n"


def _area(cases: list[dict[str, Any]], area: str) -> list[str]:
    chosen = [case for case in cases if case["area"] == area]
    metrics: list[str] = list(dict.fromkeys(name for case in chosen for name in case["rounds"][0]))
    lines = ["| payload | case | " + " | ".join(metrics) + " |", "| --- " * (len(metrics) + 2) + "|"]
    for case in chosen:
        cells = [
            _cell([found[name] for found in case["rounds"]]) if name in case["rounds"][0] else "" for name in metrics
        ]
        lines.append(f"| {case['size']} B | {case['name']} | " + " | ".join(cells) + " |")
    return lines


def _cell(values: list[float]) -> str:
    return f"{_short(median(values))} ({_short(min(values))} to {_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _plot(cases: list[dict[str, Any]]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - slow to load, and the workers need none

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = ["audit", "hand_rolled", "csfle", "aws_encryption_sdk"]
    sizes = sorted({case["size"] for case in cases if case["name"] == "produce"})
    figure, axes = plt.subplots(figsize=(8, 4))
    for place, name in enumerate(names):
        ratios = [_relative(cases, name, size) for size in sizes]
        spots = [at + (place - 1.5) * 0.2 for at in range(len(sizes))]
        middle = [median(values) for values in ratios]
        low = [mid - min(values) for mid, values in zip(middle, ratios, strict=True)]
        high = [max(values) - mid for mid, values in zip(middle, ratios, strict=True)]
        axes.bar(spots, middle, 0.18, yerr=[low, high], label=name.replace("_", " "))
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(sizes)), [f"{size} B" for size in sizes])
    axes.set_ylabel("throughput / plain produce()")
    axes.legend()
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})


def _relative(cases: list[dict[str, Any]], name: str, size: int) -> list[float]:
    found = {case["name"]: case for case in cases if case["area"] == "pipeline" and case["size"] == size}
    pairs = zip(found[name]["rounds"], found["produce"]["rounds"], strict=True)
    return [ours["events_per_second"] / plain["events_per_second"] for ours, plain in pairs]


def main() -> None:
    """Write the page again from the results of the last run."""
    write(json.loads(Path("bench/results/latest.json").read_text()))


if __name__ == "__main__":
    main()
