"""Asks the legal holds of the archive before subjects are forgotten."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from telemetry.exceptions import MissingExtraError

if TYPE_CHECKING:
    from telemetry.config import TelemetryConfig
    from telemetry.encryption.subjects.store.rows import SubjectRow


def require_no_hold_of_archive(
    config: TelemetryConfig, users: Collection[str], rows: Sequence[SubjectRow], *, keys: Collection[str]
) -> None:
    """Require that no hold of the archive covers subjects; nothing to ask where the configuration has no archive.

    Args:
        config: Its ``archive_config`` names the archive.
        users: Users whom the command names.
        rows: Their rows, and those of the keys.
        keys: Keys that the command names.

    Raises:
        MissingExtraError: The libraries of the archive are not installed, so its holds are not known.
        SubjectHeldError: A hold may cover one of them.
    """
    if config.archive_config is None:
        return
    try:
        from telemetry.archive.searching.key_hashes import key_hashes_of
        from telemetry.archive.upkeep.holds.refusing import Forgettable, require_not_held
    except ImportError as exc:
        feature = "the archive of archive_config, whose legal holds are asked before a subject is forgotten"
        raise MissingExtraError(feature, "archive") from exc
    unnamed = {row.source for row in rows if row.key_id in set(keys)}
    subjects = [Forgettable(source, users, source in unnamed) for source in sorted({row.source for row in rows})]
    require_not_held(config, subjects, keyhashes=lambda names, service: key_hashes_of(config, names, [service]))
