"""Finds the person whom a command on an archive names, and says what it cannot find of one."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.archive.searching.key_hashes import has_subject_key, key_hashes_of
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem

NO_SUBJECT = (
    "the subject store has no key of this user in this service: forgotten, never logged, or spelled otherwise. Events from "
    "before subject keys were switched on are found all the same"
)
_NO_STORE = "if the service seals events under subject keys, they are found only with the store that `audit_config.subject_keys` names"


class Person(NamedTuple):
    """A user of a service, as the rows of an archive name them.

    Attributes:
        keyhashes: Hashes of the Kafka keys that the user has, or had.
        lacks_key: Whether subjects have keys, and this one has none.
        doubt: Why events of the user may be there that are not found; empty where none can.
    """

    keyhashes: tuple[str, ...]
    lacks_key: bool
    doubt: str


def person_of(config: TelemetryConfig, *, user: str | None, service: str | None) -> Person | None:
    """Return how an archive names a user; None where no user was named.

    Args:
        config: Says how keys are hidden, and which store has the keys of subjects.
        user: The user, as the service logs it.
        service: Service that logs the user's events.

    Raises:
        ConfigurationError: A user is named without the service, or subjects have keys and the key service that they are
            under is not configured.
        KeyServiceError: The store of subject keys or the key service is not available.
    """
    if user is None:
        return None
    # An archiver's configuration names the archiver, or nobody: as a default it would find no event, and protect none.
    if not service:
        remedy = "name the service that logs the user's events: an archive knows a user by the hash of user and service"
        raise ConfigurationError(Problem("--service", "is missing", remedy))
    audit = config.audit_config
    if audit.subject_keys is not None and audit.encryption_config is None:
        remedy = "the keys of subjects are wrapped by the key service, and a person is found by them"
        raise ConfigurationError(Problem("encryption_config", "is missing", remedy))
    keyhashes = tuple(key_hashes_of(config, [user], [(config.environment, service)]))
    if audit.subject_keys is None:
        return Person(keyhashes, lacks_key=False, doubt=_NO_STORE)
    lacks_key = not has_subject_key(config, user, service, keyhashes=keyhashes)
    return Person(keyhashes, lacks_key=lacks_key, doubt=NO_SUBJECT if lacks_key else "")
