"""Detects that certificate files were replaced on disk, so that a process need not be restarted for it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from telemetry.config import KafkaConfig
from telemetry.kafka.diagnose.diagnosis import DiagnosedError

logger = logging.getLogger("telemetry.kafka")

CHECK_SECONDS = 2.0

_MAX_FILES = 1_000
_MAX_FILE_BYTES = 16 << 20
_FIELDS = ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location", "ssl_keystore_location")

Signature = tuple[tuple[str, int, int, int, int], ...]


class CertificateFiles:
    """The configured certificate files, as of their last usable state; only the sender uses them.

    Files are replaced one after the other: while key and certificate do not fit together, the previous state counts.

    Args:
        config: Names the files; certificates that are given as text cannot change.
        clock: Monotonic seconds.
    """

    def __init__(self, config: KafkaConfig | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._paths = [path for name in _FIELDS if config is not None and (path := getattr(config, name)) is not None]
        self._signature = self._sign()
        self._digest = self._read()
        self._checked_at = clock()
        self._warned: bytes | None = None

    def version(self) -> bytes:
        """Return a digest of the files; checks them every two seconds at most, and reads them only when they changed."""
        if self._paths and self._clock() - self._checked_at >= CHECK_SECONDS:
            self._checked_at = self._clock()
            self._check_files()
        return self._digest

    def _check_files(self) -> None:
        # 1. Nothing was written: the usual case, one stat per file.
        signature = self._sign()
        if signature == self._signature:
            return
        # 2. Something was written with the same content: no reason to reconnect.
        digest = self._read()
        if digest == self._digest:
            self._signature = signature
            return
        # 3. The content is new: it counts once key and certificate fit together.
        from telemetry.kafka.diagnose.identity import TlsIdentity  # noqa: PLC0415 - costs time that a start saves

        try:
            TlsIdentity.load(self._config)
        except DiagnosedError as exc:
            if digest != self._warned:
                self._warned = digest
                logger.warning(
                    "certificate files changed but cannot be used yet, the previous ones stay in use: %s", exc
                )
            return
        self._signature, self._digest = signature, digest

    def _sign(self) -> Signature:
        """Return a value that changes whenever a file is written or replaced; links are followed."""
        signature = []
        for path in self._files():
            try:
                stat = path.stat()
            except OSError:
                continue  # it is just being replaced: another signature than before and after
            signature.append((str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
        return tuple(signature)

    def _read(self) -> bytes:
        digest = hashlib.sha256()
        for path in self._files():
            try:
                with path.open("rb") as file:
                    text = file.read(_MAX_FILE_BYTES)
            except OSError:
                continue
            digest.update(hashlib.sha256(text).digest())
        return digest.digest()

    def _files(self) -> Iterator[Path]:
        for path in self._paths:
            if path.is_dir():
                yield from sorted(child for child in path.iterdir() if child.is_file())[:_MAX_FILES]
            else:
                yield path
