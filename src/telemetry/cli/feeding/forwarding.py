"""Runs the forwarder of ``telemetry forward``, and shows what it does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import typer
import uuid_utils

from telemetry.cli.feeding.run_options import RunOptions
from telemetry.cli.feeding.target_options import TargetOptions
from telemetry.cli.options.reading import ReadOptions
from telemetry.cli.output.console import err, escape_markup, write_line
from telemetry.config import TelemetryConfig
from telemetry.exceptions import EncryptionError, IncompleteError, TamperedError, TargetError
from telemetry.format.value.event import AuditEvent
from telemetry.forward.counts import ForwardCounts, ForwardTally, State
from telemetry.forward.courier import Courier
from telemetry.forward.dead_letters import DeadLetters
from telemetry.forward.delivery import Parcel, Target
from telemetry.forward.forwarder import Forwarder
from telemetry.forward.letter_source import LetterOpening, TrailOf
from telemetry.forward.membership import Membership
from telemetry.forward.metrics import ForwardMetrics
from telemetry.forward.rendering import PROBE_TYPE, OpenedRendering, Rendering, SealedRendering
from telemetry.forward.session import Forwarding
from telemetry.forward.targets.opening import Kind, open_target
from telemetry.forward.turn import Alone
from telemetry.ingest.stop_signals import StopSignals
from telemetry.reader import KafkaSource, ReadRange
from telemetry.reader.sources.source import Source
from telemetry.system.clock import rfc3339
from telemetry.system.worker import Worker
from telemetry.trail.trail import Trail

PROGRAM = "telemetry forward"

_NOBODY = "00000000-0000-7000-8000-000000000000"
_STYLES = {State.AWAY: "yellow", State.REFUSED: "bold red", State.STANDBY: "dim", State.FORWARDING: "green"}


class ForwardRun:
    """One run of ``telemetry forward``.

    Args:
        config: The configuration.
        read: Which events are forwarded.
        target: Where to, and in which batches.
        run: How it runs.
        group: Consumer group; None to send dead letters again.
        letters: Folder of the dead letters, or None.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        read: ReadOptions,
        target: TargetOptions,
        run: RunOptions,
        *,
        group: str | None,
        letters: Path | None,
    ) -> None:
        self._config = config
        self._read = read
        self._target = target
        self._run = run
        self._group = group
        self._letters = letters
        self._tally = ForwardTally()
        self._shown = Worker("telemetry-forward-status", self._show_until_stopped)

    def run(self) -> int:
        """Forward until a signal comes, or the end of what there is; return the exit code.

        Raises:
            TelemetryError: It could not begin, or cannot go on whatever happens.
        """
        with ExitStack() as stack:
            target = open_target(self._target.settings, storage=self._config.audit_config.storage_config)
            stack.callback(target.close)
            letters = DeadLetters(self._letters, target=target.name)
            stop = stack.enter_context(StopSignals())
            forwarder = self._forwarder(target, letters, stop)
            metrics = ForwardMetrics(self._tally, target=target.name, group=self._group or "dead letters")
            metrics.begin()
            stack.callback(metrics.end)
            self._shown.start()
            try:
                counts = forwarder.run()
            finally:
                self._shown.stop(10.0)
        self._show(counts)
        return _exit_code(counts)

    def _forwarder(self, target: Target, letters: DeadLetters, stop: StopSignals) -> Forwarder:
        options, audit = self._run, self._config.audit_config
        rendering: Rendering = OpenedRendering(options.schema) if options.schema is not None else SealedRendering()
        courier = Courier(target, letters=letters, prober=_Prober(self._config, rendering, target), tally=self._tally)
        forwarding = Forwarding(
            target,
            rendering=rendering,
            courier=courier,
            letters=letters,
            limits=self._target.limits,
            tally=self._tally,
        )
        trail = partial(self._trail, sealed=options.is_sealed)
        if self._group is None:
            opening = LetterOpening(self._letters or Path(), letters, trail)
            return Forwarder(forwarding, opening, Alone(), stop, timeout=options.timeout, patience=0.0, away=self._away)
        # First: a name that Kafka's client cannot have ends the process.
        within = self._read.read_range(follow=not options.once, group=self._group, confirmed=True)
        membership = Membership(audit, group=self._group, takeover=options.takeover)
        topic = _TopicOpening(self._config, within, membership, trail, with_headers=options.is_sealed)
        patience = options.takeover if options.once else None
        timeout = options.timeout
        return Forwarder(forwarding, topic, membership, stop, timeout=timeout, patience=patience, away=self._away)

    def _trail(self, source: Source, /, *, sealed: bool) -> Trail:
        return self._read.trail_of(self._config, [source], program=PROGRAM, proof_wait=self._proof_wait, sealed=sealed)

    @property
    def _away(self) -> float | None:
        """Seconds that a target may be waited for; what ends by itself does not wait for ever."""
        settings = self._target.settings
        acks = settings.ack_seconds if settings.kind is Kind.SPLUNK_HEC and settings.acknowledged else 0.0
        return self._run.timeout + acks if self._run.once or self._group is None else None

    @property
    def _proof_wait(self) -> float | None:
        # What ends is read to its end before anything counts as pending.
        return None if self._run.once or self._group is None else self._run.proof_wait

    def _show_until_stopped(self) -> None:
        before = None
        while not self._shown.rest(self._run.status):
            counts = self._tally.snapshot()
            if self._run.json or counts != before:
                self._show(counts)
            before = counts

    def _show(self, counts: ForwardCounts) -> None:
        if self._run.json:
            # A forwarder goes on when nobody reads its lines any more.
            with suppress(typer.Exit, OSError):
                if sys.stdout is not None:
                    write_line(msgspec.json.encode({"time": rfc3339(datetime.now(UTC)), **asdict(counts)}).decode())
                    sys.stdout.flush()
            return
        found = {
            "forwarded": counts.forwarded,
            "refused": counts.refused,
            "not opened": counts.unopened,
            "damaged": counts.damaged,
            "lost": counts.lost,
            "filtered out": counts.filtered,
        }
        parts = [f"[bold]{count}[/] {name}" for name, count in found.items() if count or name == "forwarded"]
        if counts.lag is not None:
            parts.append(f"[bold]{counts.lag}[/] behind")
        style = _STYLES.get(counts.state, "dim")
        error = f"  [{style}]{escape_markup(counts.last_error)}[/]" if counts.last_error else ""
        err.print(f"[{style}]{counts.state}[/]  {'  '.join(parts)}{error}")


class _TopicOpening:
    """Opens the topic where the group has stopped.

    Args:
        config: The configuration.
        within: The part of the topic.
        membership: Commits for the group.
        trail: Creates the trail of a source.
        with_headers: Whether records are passed on with their headers.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        within: ReadRange,
        membership: Membership,
        trail: TrailOf,
        *,
        with_headers: bool,
    ) -> None:
        self._config = config
        self._within = within
        self._membership = membership
        self._trail = trail
        self._with_headers = with_headers

    @contextmanager
    def open(self) -> Iterator[Trail]:
        """Yield the trail; the read is recorded first."""
        source = KafkaSource(
            self._config.audit_config, within=self._within, headers=self._with_headers, committer=self._membership
        )
        self._membership.watch(source)
        with source, self._trail(source) as trail:
            yield trail


class _Prober:
    """Creates events that ask a target whether it accepts anything at all."""

    def __init__(self, config: TelemetryConfig, rendering: Rendering, target: Target) -> None:
        self._config = config
        self._rendering = rendering
        self._target = target

    def probe(self) -> Parcel:
        event = AuditEvent(
            id=str(uuid_utils.uuid7()),
            time=rfc3339(datetime.now(UTC), timespec="microseconds"),
            event_type=PROBE_TYPE,
            user_id="telemetry",
            payload=None,
            service_name=self._config.service_name,
            environment=self._config.environment,
            producer=_NOBODY,
            sequence=0,
            schema_version=1,
        )
        return self._rendering.probe(event, self._target)


def _exit_code(counts: ForwardCounts) -> int:
    if counts.state in (State.AWAY, State.REFUSED):
        return TargetError.exit_code
    if counts.lost:
        return IncompleteError.exit_code
    if counts.damaged:
        return TamperedError.exit_code
    return EncryptionError.exit_code if counts.unopened else 0
