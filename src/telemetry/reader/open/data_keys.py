"""Finds the data key of a record: by the wrap that the record names, or by another that some record names for the key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from telemetry.encryption import Context, EncryptionProvider
from telemetry.encryption.unwrap.budget import UnwrapBudget
from telemetry.encryption.unwrap.cache import Asker, UnwrapCache
from telemetry.encryption.unwrap.opened_keys import OpenedKey
from telemetry.exceptions import KeyMismatchError, KeyServiceError, UnknownKeysError, WrapNotSeenError
from telemetry.format.value import jwe
from telemetry.format.value.message import Message
from telemetry.format.value.recipients import Wrap, parse_recipients
from telemetry.reader.open.recipient_wraps import RecipientWraps


class KeyWay(NamedTuple):
    """How a data key was opened.

    Attributes:
        wrap: The wrap that was opened.
        sealed_as: The wrap that the record names, which its ``kid`` commits to.
        context: The context that both are bound to.
    """

    wrap: Wrap
    sealed_as: Wrap
    context: Context


class DataKeys:
    """The data keys of the records that a reader opens.

    Args:
        provider: Unwraps data keys.
        budget: Bounds what forged wrapped keys cost.
    """

    def __init__(self, provider: EncryptionProvider, *, budget: UnwrapBudget) -> None:
        self._cache = UnwrapCache(provider, budget=budget)
        self._budget = budget
        self._wraps = RecipientWraps(provider) if provider.opens_for_recipients else None

    def find(self, message: Message, *, waited: bool) -> tuple[OpenedKey, KeyWay]:
        """Return the data key of a record, and how it was opened.

        1. By the wrap that the record names.
        2. By those that this record or an earlier one names for the same key: the ``kid`` commits to the key, so none
           of them is believed.

        Args:
            message: The record's value.
            waited: Whether the record waited for its turn in the budget.

        Raises:
            UnknownKeysError: Too many keys were mismatches; the record may be opened later.
            WrapNotSeenError: A later record may name a wrap that the reader's keys open.
            KeyServiceError: The subclass says why the key is not available.
            MalformedRecordError: The record is in no form that this format prescribes.
        """
        kid = jwe.kid_in(message.data)
        named = Wrap(message.wrapped_key, message.key_uri)
        asker = Asker(producer=str(message.attributes["producer"]), kid=kid, waited=waited)
        self.learn(message)
        # 1.
        way = KeyWay(named, named, message.context)
        try:
            return self._open(way, asker=asker), way
        except UnknownKeysError:
            raise
        except KeyServiceError as exc:
            if self._wraps is None:
                raise
            refusal = exc
        # 2.
        name = _name_of(message)
        found = self._by_recipient(self._wraps, way, name=name, asker=asker)
        if found is None:
            raise WrapNotSeenError(str(refusal), data_key=name) from refusal
        return found

    def learn(self, message: Message) -> None:
        """Remember the wraps that a record names; nothing is opened.

        Raises:
            MalformedRecordError: They are in no form that this format prescribes.
        """
        if self._wraps is not None and message.recipients is not None:
            self._wraps.add(_name_of(message), parse_recipients(message.recipients))

    def renew(self, way: KeyWay) -> None:
        """Check that a key may still be opened as before: a right that was withdrawn must end the reading.

        Raises:
            KeyServiceError: It may not.
        """
        self._open(way, asker=None)

    def opened(self, producer: str) -> None:
        """Remember that an event of a producer was opened with the key of its record."""
        self._budget.success(producer)

    def list_keys(self, kids: Iterable[str]) -> None:
        """Ask for these data keys at once, however many forged ones came before: a proven checkpoint lists them."""
        self._budget.list_keys(kids)

    def take_arrived(self) -> list[bytes]:
        """Return the data keys of which another wrap became known since the last call."""
        return self._wraps.take_arrived() if self._wraps is not None else []

    def close(self) -> None:
        """Forget the keys."""
        self._cache.close()

    def _by_recipient(
        self, wraps: RecipientWraps, way: KeyWay, *, name: bytes, asker: Asker
    ) -> tuple[OpenedKey, KeyWay] | None:
        """Try the other wraps of a data key; return None if none of those that are known opens."""
        must_wait = False
        for wrap in wraps.of(name):
            other = way._replace(wrap=wrap)
            try:
                key = self._open(other, asker=asker)
            except KeyMismatchError:
                wraps.refuse(name, wrap)
            except KeyServiceError as exc:
                must_wait |= isinstance(exc, UnknownKeysError)
            else:
                if key.kid == asker.kid:
                    wraps.keep(name, wrap)
                    return key, other
                wraps.refuse(name, wrap)
        if must_wait:
            raise UnknownKeysError(data_key=name)
        return None

    def _open(self, way: KeyWay, *, asker: Asker | None) -> OpenedKey:
        wrapped, key_uri = way.wrap
        return self._cache.open_key(wrapped, key_uri, way.context, asker=asker, sealed_as=way.sealed_as)


def _name_of(message: Message) -> bytes:
    """Return what names a data key: a digest of everything that a record says of it."""
    attributes = message.attributes
    parts = (jwe.kid_in(message.data), message.key_uri, attributes["wrappedkey"], attributes["source"])
    return hashlib.sha256(msgspec.msgpack.encode(parts)).digest()
