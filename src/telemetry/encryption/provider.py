"""Defines what a key service does: it generates data keys and unwraps them again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import ClassVar, NoReturn, Self

from telemetry.config import EncryptionConfig
from telemetry.exceptions import KeyServiceError
from telemetry.format.value.recipients import Wrap

DATA_KEY_BYTES = 32

Context = Mapping[str, str]
"""Facts that a wrap is bound to: service, environment, purpose and format version."""


class DataKey:
    """A fresh AES-256 key and its wrapped form. The plaintext is in no ``repr``, pickle or copy.

    Attributes:
        plaintext: 32 bytes.
        wrapped: The same key, encrypted by the key service; 1 to 8,192 bytes.
        key_uri: URI of the key that wrapped it, such as ``aws-kms://arn:aws:kms:...``.
        recipients: The same key, wrapped by further keys.
    """

    __slots__ = ("key_uri", "plaintext", "recipients", "wrapped")

    def __init__(self, *, plaintext: bytes, wrapped: bytes, key_uri: str, recipients: tuple[Wrap, ...] = ()) -> None:
        self.plaintext = plaintext
        self.wrapped = wrapped
        self.key_uri = key_uri
        self.recipients = recipients

    def __repr__(self) -> str:
        return f"DataKey(key_uri={self.key_uri!r})"

    def __reduce__(self) -> NoReturn:
        message = "a data key cannot be pickled or copied"
        raise TypeError(message)


class EncryptionProvider(ABC):
    """A key service. Calls block, may come from several threads, and raise ``KeyServiceError`` subclasses only.

    ``EncryptionProviderFactory.create(config)`` creates a provider in the process that uses it; it must not contact the
    service in ``__init__``.

    Attributes:
        config_class: Configuration class of this provider; a subclass of ``EncryptionConfig`` may add fields.
        opens_for_recipients: Whether it may open data keys for which it is a recipient: records name another KEK then.
    """

    config_class: ClassVar[type[EncryptionConfig]] = EncryptionConfig
    opens_for_recipients: bool = False

    def __reduce__(self) -> NoReturn:
        message = "a key provider cannot be pickled or copied"
        raise TypeError(message)

    @abstractmethod
    def __init__(self, config: EncryptionConfig) -> None:
        """Keep the configuration; raise ``MissingExtraError`` or ``ConfigurationError`` if it cannot be used."""

    @abstractmethod
    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a 256-bit data key, wrapped by the KEK and bound to ``context``."""

    def wrap(self, plaintext: bytes, context: Context) -> Wrap:  # noqa: ARG002 - a provider that can do this overrides it
        """Wrap a data key that another key service generated; needed of ``recipients`` only.

        Args:
            plaintext: 32 bytes.
            context: Facts that the wrap is bound to, as in :meth:`generate_data_key`.

        Raises:
            KeyServiceError: The subclass says why the service refused or did not answer; also the default, which cannot
                do this.
        """
        message = f"{type(self).__name__} cannot be a recipient: it has no method wrap()"
        raise KeyServiceError(message)

    @abstractmethod
    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Return the 32 bytes of a wrapped data key.

        Raises:
            KeyMismatchError: Other key, other context, or altered bytes.
            KeyServiceError: Another subclass says why the service refused or did not answer.
        """

    def admits(self, key_uri: str) -> bool:  # noqa: ARG002 - a provider that knows its keys overrides this
        """Whether a record's KEK may be one of this configuration, judged by its URI alone; the service is not called.

        With ``previous_keys`` only providers that admit a URI are asked to unwrap. The default admits every URI.
        """
        return True

    def costs_a_call(self, key_uri: str) -> bool:
        """Whether unwrapping a key of this URI asks a service, so that forged records must not cause it at will.

        The default is what :meth:`admits` says: keys that are not ours are refused without a call.
        """
        return self.admits(key_uri)

    @abstractmethod
    def check(self) -> None:
        """Wrap and unwrap a trial key (only wrap it with ``writer_only``); raise as the methods do."""

    def storage_secrets(self) -> tuple[bytes, ...]:
        """Return secrets of 32 bytes that only the holder of the KEK can compute, that of the present KEK first.

        Spool and fallback objects are sealed under it where no other storage secret is configured. A KEK that never
        leaves its key service gives none, which is the default.
        """
        return ()

    def close(self) -> None:  # noqa: B027 - most providers have something to release, but not all
        """Release connections and forget secrets. Calling it twice is fine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
