"""Refuses to forget a subject whom a legal hold of the archive covers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple
from urllib.parse import unquote

from telemetry.archive.committing.opening import archiver_policy, archiver_source
from telemetry.archive.reading.place import archive_store_config, open_archive_store
from telemetry.archive.upkeep.holds.in_force import Holds
from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import SubjectHeldError


class Forgettable(NamedTuple):
    """Subjects of one service that shall be forgotten.

    Attributes:
        source: CloudEvents source of the service.
        users: Who they are.
        is_any_unnamed: Whether one of them is known by the name of the key alone, so that no hold can be told from it.
    """

    source: str
    users: Collection[str]
    is_any_unnamed: bool


def require_not_held(
    config: TelemetryConfig,
    subjects: Iterable[Forgettable],
    *,
    keyhashes: Callable[[Collection[str], tuple[str, str]], Collection[str]],
) -> None:
    """Require that no hold of the configured archive covers subjects.

    Args:
        config: Names the archive, and who may sign its holds.
        subjects: Who shall be forgotten.
        keyhashes: Returns the hashes of the Kafka keys of users, for an environment and a service.

    Raises:
        SubjectHeldError: A hold may cover an event of one of them.
        VerificationError: A hold is not believed, so nobody knows whom it covers.
        StorageError: The archive's store refused or did not answer.
    """
    holds = _holds(config)
    for each in subjects if len(holds) else ():
        environment, service = (unquote(part) for part in each.source[1:].split("/"))
        # A subject without a name may be whom any hold on a person covers.
        hashes = None if each.is_any_unnamed else keyhashes(each.users, (environment, service))
        covering = holds.covering(keyhashes=hashes, service=service)
        if covering:
            hold = covering[0]
            doubt = ", or may cover one who is named by a key alone: name the user" if each.is_any_unnamed else ""
            message = (
                f"no subject is forgotten: the archive's legal hold {hold.id} ({hold.reason}; ordered by {hold.by}) covers one of "
                f"them{doubt}. Ask who ordered it; `telemetry archive release` ends it"
            )
            raise SubjectHeldError(message)


def _holds(config: TelemetryConfig) -> Holds:
    signing = config.archive_config.signing_config if config.archive_config is not None else None
    signer = SigningKey.load(signing.key_path, signing.passphrase) if signing is not None else None
    source = archiver_source(config)
    with open_archive_store(archive_store_config(None, config)) as store:
        return Holds.load(store, trust=archiver_policy(config, signer, source), source=source)
