"""Opens an archive for a person who orders or ends legal holds: an archiver or an auditor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from telemetry.archive.committing.opening import archiver_policy, archiver_source
from telemetry.archive.reading.place import archive_store_config, open_archive_store
from telemetry.archive.upkeep.holds.in_force import Holds
from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ArchiveStateError, ConfigurationError, Problem, TamperedError
from telemetry.format.archive.succession import ArchiveState
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.store import SealStore
from telemetry.reader.seals.trust import own_policy
from telemetry.reader.trust import Role, TrustPolicy
from telemetry.storage import StorageProvider


class HoldKeeper(NamedTuple):
    """An archive that is open for holds.

    Attributes:
        store: The archive's store.
        state: The archive as its seals describe it.
        signer: Key that signs holds and releases.
        trust: Who may sign them.
        source: CloudEvents source of the archiver.
    """

    store: StorageProvider
    state: ArchiveState
    signer: SigningKey
    trust: TrustPolicy
    source: str

    @property
    def archive(self) -> str:
        """UUID of the archive."""
        return self.state.seal.archive

    def holds(self) -> Holds:
        """Return the holds that are in force.

        Raises:
            VerificationError: A hold is not believed.
        """
        return Holds.load(self.store, trust=self.trust.afresh(), source=self.source, archive=self.archive)


@contextmanager
def open_hold_keeper(config: TelemetryConfig, uri: str | None = None) -> Iterator[HoldKeeper]:
    """Open an archive for holds; neither its table nor its catalog is needed.

    Args:
        config: The configuration, with the archiver's or the auditor's signing key.
        uri: Place of the archive; None for that of the configuration.

    Raises:
        ConfigurationError: There is no signing key, or the archive cannot be used.
        TamperedError: A seal is not believed.
        StorageError: The store refused or did not answer.
    """
    signer = _signer(config)
    source = archiver_source(config)
    trust = archiver_policy(config, signer, source)
    with open_archive_store(archive_store_config(uri, config)) as store:
        # A hold names its archive, so that it means nothing in another one: the name has to be believed.
        state = fold(SealStore(store), policy=trust.afresh())
        if state is None:
            message = "there is no archive here: nothing was ever sealed"
            raise ArchiveStateError(message)
        _require_believed(config, signer, store, source=source)
        yield HoldKeeper(store, state, signer, trust, source)


def _require_believed(config: TelemetryConfig, signer: SigningKey, store: StorageProvider, *, source: str) -> None:
    """Refuse a key that the archiver would not believe: its release would lift nothing, and take the place of a genuine one."""
    if config.audit_config.trust_file is None:
        # Then the seals were believed by this key alone: it is the archiver's own.
        return
    named, own = archiver_policy(config, None, source), PublicKey.parse(signer.public_key)
    roles = {role for key in named.keys if key.public == own for role in key.roles}
    if roles & {Role.ARCHIVER, Role.AUDITOR}:
        return
    try:
        fold(SealStore(store), policy=own_policy(own, source=source))
    except TamperedError as exc:
        reason = "is neither an archiver's nor an auditor's key by the trust file, so that no archiver would believe the hold"
        remedy = "sign with one that is, or give it the role with `telemetry trust add`"
        raise ConfigurationError(Problem("signing_config", reason, remedy)) from exc


def _signer(config: TelemetryConfig) -> SigningKey:
    own = config.archive_config.signing_config if config.archive_config is not None else None
    signing = own or config.audit_config.signing_config
    if signing is None:
        remedy = "name the archiver's key in archive_config, or the auditor's key"
        raise ConfigurationError(Problem("signing_config", "is missing", remedy))
    return SigningKey.load(signing.key_path, signing.passphrase)
