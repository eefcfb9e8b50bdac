"""Names what the screens share."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.config import TelemetryConfig
from telemetry.explorer.access.access import Access
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.jobs.desk import EvidenceDesk
from telemetry.explorer.site.answering.pages import SitePages
from telemetry.explorer.site.answering.turns import Turns
from telemetry.explorer.site.scope import Scope
from telemetry.reader.trust import TrustPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the screens share; each has ``routes(site)``, which returns its routes.

    Attributes:
        config: Configuration of the trail.
        policy: Who is trusted; None if nobody is named.
        scope: What is read.
        index: The events.
        access: Sessions, and the record of looks.
        desk: Verifies, proves and packs in the background.
        pages: Renders pages.
        turns: Runs what takes long in threads.
    """

    config: TelemetryConfig
    policy: TrustPolicy | None
    scope: Scope
    index: EventIndex
    access: Access
    desk: EvidenceDesk
    pages: SitePages
    turns: Turns

    @property
    def looks(self) -> Looks:
        """Records who looks at what."""
        return self.access.looks
