"""Records a search whose rows are not shown: how many it finds says what is inside of events."""

from __future__ import annotations

from telemetry.explorer.access.session import Session
from telemetry.explorer.site.asked.asking import Asked
from telemetry.explorer.site.asked.sent import require_search
from telemetry.explorer.site.site import Site


async def record_search(site: Site, session: Session, asked: Asked) -> None:
    """Record a search before anything is told of what it finds; a search that has problems tells nothing.

    Args:
        site: What the screens share.
        session: Who searches.
        asked: The search, read for this session.

    Raises:
        ReadNotRecordedError: It could not be recorded, and ``read_audit`` is ``required``.
        ConfigurationError: The search has problems.
        Refused: It looks into content, which is closed.
    """
    is_open = session.is_open
    search = require_search(asked)
    if not is_open:
        return
    found = await site.turns.run(session, site.index.search, search, with_content=True, limit=1)
    await site.looks.searched(session, asked.describe(with_text=site.looks.with_text), found.total)
