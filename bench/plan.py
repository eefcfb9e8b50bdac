"""Which measurements make one run: groups whose members take turns, so that their ratios hold on a busy machine."""

from __future__ import annotations

import dataclasses

from bench.spec import Spec

SIZES = (150, 1024, 8192)
# So many that each takes one to two seconds.
_EVENTS = {
    "audit": 100_000,
    "produce": 100_000,
    "hand_rolled": 30_000,
    "hand_rolled_uncompressed": 30_000,
    "csfle": 25_000,
    "csfle_unvalidated": 25_000,
    "aws_encryption_sdk": 2_000,
}
_LARGE = 4

Group = list[tuple[str, Spec]]


def full() -> list[Group]:
    """Return every group, at every payload size."""
    groups = [rivals(size) for size in SIZES]
    groups += [variants(size) for size in SIZES]
    groups += [callers(size) for size in SIZES]
    groups += [durable(size) for size in SIZES]
    return [*groups, reading(1024), cold()]


def checked() -> list[Group]:
    """Return the groups that the targets speak of: 1 KB."""
    durable_pair = [entry for entry in variants(1024) if entry[0].startswith("200 tasks")]
    durable_tasks = [entry for entry in durable(1024) if entry[0] == "audit, 200 tasks"]
    return [rivals(1024), durable_pair, callers(1024), durable_tasks, cold()]


def rivals(size: int) -> Group:
    """Return the pipeline and the libraries it is compared with."""
    return [(name, _pipeline(name, size)) for name in _EVENTS]


def variants(size: int) -> Group:
    """Return this library's pipeline in each way of using it."""
    base = _pipeline("audit", size)
    tasks = dataclasses.replace(base, tasks=200)
    return [
        ("default", base),
        ("batch 64 KB", dataclasses.replace(base, batch_kb=64)),
        ("spool", dataclasses.replace(base, spool=True)),
        ("spool, batch 64 KB", dataclasses.replace(base, spool=True, batch_kb=64)),
        ("8 threads", dataclasses.replace(base, threads=8)),
        ("200 tasks", tasks),
        ("200 tasks, durable", dataclasses.replace(tasks, spool=True, wait_for="durable")),
    ]


def callers(size: int) -> Group:
    """Return what one call costs, here and in logging libraries."""
    names = ("audit", "stdlib_logging", "structlog_orjson", "opentelemetry_logs")
    return [
        (name, Spec(area="caller", contender=name, size=size, events=100_000 // (_LARGE if size > 4096 else 1)))
        for name in names
    ]


def durable(size: int) -> Group:
    """Return durability by concurrency, and one commit per event."""
    ours = [
        (f"audit, {tasks} tasks", Spec("durable", "audit", size, events=max(1_000, tasks * 300), tasks=tasks))
        for tasks in (1, 20, 200)
    ]
    others = [(name, Spec("durable", name, size, events=1_000)) for name in ("sqlite", "append_fdatasync")]
    return [*ours, *others]


def reading(size: int) -> Group:
    """Return reading a topic, opened and sealed, beside a plain consumer."""
    return [
        (f"{name}, {events:,} events", Spec("reading", name, size, events=events))
        for events in (20_000, 80_000)
        for name in ("opened", "sealed", "verified", "consume")
    ]


_STARTS = (
    "bare_python",
    "import_pydantic",
    "import_confluent_kafka",
    "import_telemetry",
    "import_class",
    "import_configuration",
    "import_in_use",
    "command_version",
    "command_help",
    "command_keys_help",
    "start",
)


def cold() -> Group:
    """Return what a process pays before its first event."""
    return [(name, Spec("cold", name)) for name in _STARTS]


def _pipeline(name: str, size: int) -> Spec:
    events = _EVENTS[name] // (_LARGE if size > 4096 else 1)
    return Spec("pipeline", name, size, events=events)
