"""Builds an evidence pack of a basket, as a job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.evidence import EvidenceRequest, PackSummary, build_pack
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.explorer.jobs.basket import Basket
from telemetry.explorer.jobs.job_progress import JobProgress
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.reader import EventFilter
from telemetry.reader.trust import TrustPolicy

MAX_PACK_BYTES = 64 * 1024 * 1024
"""Bytes of one pack: it is built in memory, because a disk would keep its content."""
RUNNING_SECONDS = 600.0
"""A producer whose last checkpoint is at most this old is treated as still running: one that logs nothing signs again
every 300 seconds, unless it is configured otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BuiltPack:
    """A pack, ready to be taken away.

    Attributes:
        data: The ZIP file.
        name: Name for the file; it says when the pack was built, and nothing else.
        summary: What is in it.
        drawn_from: Size of the population when the sample in the basket was drawn; None if it is no sample.
    """

    data: bytes
    name: str
    summary: PackSummary
    drawn_from: int | None

    @property
    def weight(self) -> int:
        """Bytes in memory."""
        return len(self.data)


class PackWork:
    """The building of one pack; see :class:`telemetry.explorer.jobs.work.Work`. The export is recorded before it starts.

    Args:
        source: The trail.
        request: What is asked of the pack.
        policy: Who may sign what.
        signing: The auditor's key.
        trust_file: Content of the trust file, which goes into the pack as material; None if keys were named one by one.
        drawn_from: Size of the population when the sample in the basket was drawn; None if it is no sample.
    """

    needs = Right.EXPORT
    is_shared = False

    def __init__(
        self,
        source: TrailSource,
        request: EvidenceRequest,
        *,
        policy: TrustPolicy,
        signing: SigningConfig,
        trust_file: bytes | None = None,
        drawn_from: int | None = None,
    ) -> None:
        self._source = source
        self._request = request
        self._policy = policy
        self._signing = signing
        self._trust_file = trust_file
        self._drawn_from = drawn_from
        self._now = datetime.now(UTC)
        # A button that is pressed twice asks for the same pack.
        self.name = f"pack {hash(request)}"
        self.label = "building an evidence pack"
        self.title = "Evidence pack"

    def run(self, progress: JobProgress) -> BuiltPack:
        """Read the trail, and write the pack."""
        target = _BoundedMemory()
        summary = build_pack(
            self._source.config,
            self._request,
            target=target,
            policy=self._policy.afresh(),
            signer=SigningKey.load(self._signing.key_path, self._signing.passphrase),
            trust_file=self._trust_file,
            progress=progress,
            is_recorded=True,
        )
        name = f"evidence-{self._now:%Y%m%dT%H%M%SZ}.zip"
        return BuiltPack(data=target.getvalue(), name=name, summary=summary, drawn_from=self._drawn_from)


def request_of(basket: Basket, *, session: Session, source: TrailSource, content: bool) -> EvidenceRequest:
    """Return the request for a pack of a basket.

    A basket that is one sample is drawn again from the trail, so that the pack has the population and anyone can repeat
    it. Any other names its events.

    Args:
        basket: The events.
        session: Who asks, and why.
        source: The trail.
        content: Whether the pack has the content of the events.

    Raises:
        ConfigurationError: The basket is empty.
    """
    if not basket.ids:
        raise ConfigurationError(Problem("basket", "is empty", "add events from their pages or from a search"))
    return EvidenceRequest(
        **_chosen(basket, content=content),
        content=content,
        reader=session.person.subject,
        reason=session.reason,
        file=source.file,
        archive=source.archive,
        live=RUNNING_SECONDS,
        program="telemetry explore",
    )


def _chosen(basket: Basket, *, content: bool) -> dict[str, Any]:
    drawing = basket.drawing
    if drawing is None or drawing.wanted is None:
        return {"ids": basket.ids}
    wanted = drawing.wanted
    # Where nothing is opened, events are drawn by what their records say outside the seal of all of them.
    if not content and wanted != EventFilter(ids=wanted.ids, since=wanted.since, until=wanted.until):
        return {"ids": basket.ids}
    return {"wanted": wanted, "sample": drawing.sample}


class _BoundedMemory(BytesIO):
    """Refuses a pack that is larger than the explorer builds."""

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > MAX_PACK_BYTES:
            reason = f"is larger than the {MAX_PACK_BYTES // 1024 // 1024} MiB that the explorer builds"
            raise ConfigurationError(Problem("basket", reason, "choose fewer events, or use `telemetry evidence`"))
        return super().write(data)
