"""Brings together what the screens of proofs and evidence work with."""

from __future__ import annotations

from telemetry.config import SigningConfig
from telemetry.evidence import EvidenceRequest
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.person import Person
from telemetry.explorer.jobs.basket import Baskets
from telemetry.explorer.jobs.job import Job
from telemetry.explorer.jobs.job_book import JobBook
from telemetry.explorer.jobs.life_line import LifeLineWork
from telemetry.explorer.jobs.pack import PackWork
from telemetry.explorer.jobs.proof import ProofWork
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.explorer.jobs.verifications import NO_TRUST, Verifications
from telemetry.format.uuid7 import is_uuid
from telemetry.reader.trust import TrustPolicy

NO_KEY = Problem(
    "explorer_config.evidence_signing",
    "is missing: nothing could say who wrote the pack",
    "create a key with `telemetry keys init-signing`, name it there, and give it the role auditor in the trust file",
)
"""What is missing where no key signs packs, and how to give it."""


class EvidenceDesk:
    """Verifications, proofs, life lines, baskets and packs of one trail.

    Args:
        source: The trail.
        policy: Who may sign what; None if nobody said.
        signing: Key that signs packs; None if there is none.
        trust_file: Content of the trust file, which goes into packs as material; None if there is none.

    Attributes:
        source: The same.
        book: The jobs.
        verifications: The verification runs.
        baskets: The events that persons collect.
    """

    def __init__(
        self,
        source: TrailSource,
        *,
        policy: TrustPolicy | None,
        signing: SigningConfig | None = None,
        trust_file: bytes | None = None,
    ) -> None:
        self.source = source
        self.book = JobBook()
        self.verifications = Verifications(self.book, source, policy)
        self.baskets = Baskets()
        self._policy = policy if policy is not None and policy.keys else None
        self._signing = signing
        self._trust_file = trust_file

    @property
    def missing_for_proofs(self) -> Problem | None:
        """What has to be given so that something can be proven; None if nothing is missing."""
        return None if self._policy is not None else NO_TRUST

    @property
    def missing_for_packs(self) -> Problem | None:
        """What has to be given so that packs can be built; None if nothing is missing."""
        return self.missing_for_proofs or (NO_KEY if self._signing is None else None)

    def prove(self, event_id: str, *, person: Person) -> Job:
        """Start the proof of an event, or return the one that goes on.

        Raises:
            ConfigurationError: No key is believed, or it is not the id of an event.
            BackpressureError: Too many jobs run or wait.
        """
        if self._policy is None:
            raise ConfigurationError(NO_TRUST)
        _require_id(event_id)
        return self.book.start(ProofWork(self.source, event_id, policy=self._policy), person=person)

    def follow(self, event_id: str, *, person: Person) -> Job:
        """Start the life line of an event, or return the one that goes on; errors as :meth:`prove`."""
        _require_id(event_id)
        return self.book.start(LifeLineWork(self.source, event_id, policy=self._policy), person=person)

    def pack(self, request: EvidenceRequest, *, person: Person, drawn_from: int | None = None) -> Job:
        """Start the building of a pack, or return the one that goes on. The caller has recorded the export.

        Args:
            request: What is asked of the pack.
            person: Who asks.
            drawn_from: Size of the population when the sample in the basket was drawn; None if it is no sample.

        Raises:
            ConfigurationError: No key is believed, or none signs.
            BackpressureError: Too many jobs run or wait.
        """
        if self._policy is None:
            raise ConfigurationError(NO_TRUST)
        if self._signing is None:
            raise ConfigurationError(NO_KEY)
        work = PackWork(
            self.source,
            request,
            policy=self._policy,
            signing=self._signing,
            trust_file=self._trust_file,
            drawn_from=drawn_from,
        )
        return self.book.start(work, person=person)

    def close(self) -> None:
        """Ask every job to stop."""
        self.book.close()


def _require_id(event_id: str) -> None:
    if not is_uuid(event_id):
        raise ConfigurationError(
            Problem("id", "is not the id of an event that can be proven", "see the page of the event")
        )
