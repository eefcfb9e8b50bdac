"""Gives a process what it needs to work on a service's store: it opens what is the service's own, and stores in its form."""

from __future__ import annotations

from contextlib import ExitStack
from typing import NamedTuple

from telemetry.audit.fallback.object_form import ObjectForm, object_form
from telemetry.audit.marks.own_objects import OwnObjects, own_objects_of
from telemetry.config import TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.storage_keys import StorageKeys, storage_keys_of
from telemetry.format.proof.signed_note import Signer
from telemetry.storage import StorageProvider


class Keeper(NamedTuple):
    """What a process needs to work on a service's store.

    Attributes:
        own: Opens the objects of the service.
        form: Form in which the service stores.
    """

    own: OwnObjects
    form: ObjectForm


def keeper_of(config: TelemetryConfig, store: StorageProvider, *, keys: StorageKeys, signer: Signer | None) -> Keeper:
    """Return the keeper of a process whose keys are open.

    Args:
        config: Names the service and its siblings.
        store: The service's store.
        keys: Its storage keys.
        signer: Its signing key; None if it does not sign.

    Raises:
        ConfigurationError: A sibling's public key is malformed.
    """
    form = object_form(config.audit_config, keys, signer)
    return Keeper(own_objects_of(config, store, keys=keys, signer=signer, form=form), form)


def open_keeper(config: TelemetryConfig, store: StorageProvider, opened: ExitStack) -> Keeper:
    """Open the keys of a service, in a process that does not log.

    Args:
        config: Names the keys.
        store: The service's store.
        opened: Closes the key service.

    Raises:
        ConfigurationError: A key cannot be used.
    """
    audit = config.audit_config
    signer = None
    if audit.signing_config is not None:
        signer = SigningKey.load(audit.signing_config.key_path, audit.signing_config.passphrase)
    provider = None
    if audit.encryption_config is not None:
        provider = opened.enter_context(EncryptionProviderFactory.create(audit.encryption_config))
    keys = storage_keys_of(config, provider=provider, signing_key=signer)
    return keeper_of(config, store, keys=keys, signer=signer)
