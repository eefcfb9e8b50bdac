"""Reads and writes files with one key, encrypted under a passphrase (PBKDF2-HMAC-SHA-256 and AES-256-GCM)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from pydantic import SecretStr

from telemetry.config.passphrases import GOOD_CHARACTERS, require_long
from telemetry.exceptions import ConfigurationError, KeyNotFoundError, Problem
from telemetry.format import canonical_base64
from telemetry.system.durable_file import write_durably

logger = logging.getLogger("telemetry.encryption")

if sys.platform != "win32":
    import fcntl

Passphrase = str | SecretStr
"""A traceback with local variables does not show a ``SecretStr``; a service that keeps running passes one."""

MIN_ITERATIONS = 600_000
"""OWASP Password Storage Cheat Sheet for PBKDF2-HMAC-SHA-256."""
MAX_ITERATIONS = 100_000_000
SALT_BYTES = 16
"""NIST SP 800-132 section 5.1: at least 128 bits."""

ONE_KEY, SEVERAL_KEYS = 1, 2
"""Versions of the file. One key is still written in the first, which former versions of this library read."""
_KDF = "PBKDF2-HMAC-SHA-256"
_CIPHER = "AES-256-GCM"
_IV_BYTES = 12
_SALT_SIZES = range(SALT_BYTES, 1_025)
_MAX_FILE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class KeyFileFacts:
    """Facts of a key file that are not secret.

    Attributes:
        path: The file.
        purpose: Use that the key is for.
        iterations: PBKDF2 rounds.
        public: Public facts, such as a fingerprint or a public key.
    """

    path: Path
    purpose: str
    iterations: int
    public: dict[str, str]


def create_key_file(
    path: Path, key: bytes, passphrase: Passphrase, *, purpose: str, iterations: int, public: dict[str, str]
) -> bool:
    """Write a new key file with mode 0600; it appears under its name complete, or not at all.

    Returns:
        False when a file of that name exists already (it is left alone).

    Raises:
        ConfigurationError: A passphrase of fewer than 8 characters, too few rounds, or a folder that cannot be written.
    """
    _require_name(path)
    data = _sealed(key, passphrase, purpose=purpose, iterations=iterations, public=public)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _write_if_free(path, data)
    except OSError as exc:
        raise _unusable(path, f"cannot be created: {exc.strerror}", "check the folder's owner and mode") from exc


def replace_key_file(
    path: Path,
    key: bytes,
    passphrase: Passphrase,
    *,
    purpose: str,
    iterations: int,
    public: dict[str, str],
    version: int = ONE_KEY,
) -> None:
    """Rewrite a key file with another key or passphrase; a crash leaves the old file or the new one.

    Hold :func:`exclusive` from the read on: of two changes at once the second must not undo the first.
    """
    data = _sealed(key, passphrase, purpose=purpose, iterations=iterations, public=public, version=version)
    try:
        write_durably(path, data, replace=True)
    except OSError as exc:
        raise _unusable(path, f"cannot be written: {exc.strerror}", "check the folder's owner and mode") from exc


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep other processes from changing a key file meanwhile; they may read it. Windows has no such lock.

    Raises:
        KeyNotFoundError: There is no such file.
        ConfigurationError: It cannot be read, or another process is changing it.
    """
    handle = _open_safely(path)
    try:
        _lock(path, handle)
        yield
    finally:
        os.close(handle)


def read_key_file(path: Path, passphrase: Passphrase, *, purpose: str) -> tuple[bytes, KeyFileFacts]:
    """Return the key and the public facts of a key file.

    Raises:
        KeyNotFoundError: There is no such file.
        ConfigurationError: Wrong passphrase, unsafe owner or mode, or a damaged file.
    """
    # 1. Everything that can be checked without the passphrase: owner, mode, form, digest, purpose.
    content = _parse(path, purpose)
    # 2. The sizes, before PBKDF2 spends its time on them.
    salt, iv, sealed = (_unpack(path, content[name]) for name in ("salt", "iv", "sealed"))
    if len(salt) not in _SALT_SIZES or len(iv) != _IV_BYTES:
        raise _unusable(path, "has a salt or initialization vector of the wrong length", "restore it from a backup")
    # 3. The passphrase, by the tag of AES-GCM; it also covers every other field, the public ones too.
    try:
        key = AESGCM(_derive(passphrase, salt, content["iterations"])).decrypt(iv, sealed, _header(content))
    except InvalidTag:
        # The file matches its own digest, so no accident changed it.
        raise _unusable(path, "does not open: the passphrase is wrong", "give the right passphrase") from None
    return key, _facts(path, content)


def describe_key_file(path: Path, *, purpose: str) -> KeyFileFacts:
    """Return the public facts of a key file without opening it."""
    return _facts(path, _parse(path, purpose))


def purpose_of(path: Path) -> str:
    """Return the use that the key of a key file is for.

    Raises:
        KeyNotFoundError: There is no such file.
        ConfigurationError: Unsafe owner or mode, or a damaged file.
    """
    purpose: str = _parse(path, None)["purpose"]
    return purpose


def _facts(path: Path, content: dict[str, Any]) -> KeyFileFacts:
    return KeyFileFacts(path, content["purpose"], content["iterations"], dict(content["public"]))


def _sealed(
    key: bytes,
    passphrase: Passphrase,
    *,
    purpose: str,
    iterations: int,
    public: dict[str, str],
    version: int = ONE_KEY,
) -> bytes:
    _require_long(passphrase)
    if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        problem = Problem("pbkdf2_iterations", "is out of range", f"use {MIN_ITERATIONS} to {MAX_ITERATIONS}")
        raise ConfigurationError(problem)
    salt, iv = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(_IV_BYTES)
    content: dict[str, Any] = {
        "version": version,
        "purpose": purpose,
        "kdf": _KDF,
        "iterations": iterations,
        "salt": base64.b64encode(salt).decode(),
        "cipher": _CIPHER,
        "iv": base64.b64encode(iv).decode(),
        "public": public,
    }
    sealed = AESGCM(_derive(passphrase, salt, iterations)).encrypt(iv, key, _header(content))
    content["sealed"] = base64.b64encode(sealed).decode()
    content["sha256"] = _digest(content)
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"


def _header(content: dict[str, Any]) -> bytes:
    """Return everything but the sealed key: as associated data, so that nobody changes it unnoticed."""
    return msgspec.json.encode({name: content[name] for name in sorted(content) if name not in ("sealed", "sha256")})


def _digest(content: dict[str, Any]) -> str:
    """Distinguish a damaged file from a wrong passphrase. It protects nothing: anyone who alters the file can alter it."""
    return hashlib.sha256(_header(content) + content["sealed"].encode()).hexdigest()


def _require_long(passphrase: Passphrase) -> None:
    text = _text_of(passphrase)
    require_long(text)
    if len(text) < GOOD_CHARACTERS:
        logger.warning(
            "the passphrase of a key file has fewer than %d characters; change it with `telemetry keys change-passphrase`",
            GOOD_CHARACTERS,
        )


def _text_of(passphrase: Passphrase) -> str:
    return passphrase if isinstance(passphrase, str) else passphrase.get_secret_value()


def _derive(passphrase: Passphrase, salt: bytes, iterations: int) -> bytes:
    text = _text_of(passphrase)
    try:
        secret = text.encode()
    except UnicodeEncodeError:
        del text
        raise ConfigurationError(Problem("passphrase", "is not Unicode text", "give it in UTF-8")) from None
    return PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=iterations).derive(secret)


def _parse(path: Path, purpose: str | None) -> dict[str, Any]:
    # 1. The file is private, and JSON.
    content = _decoded(path, _read_safely(path))
    # 2. The version comes first: a later one may have other fields.
    if "version" in content and content["version"] not in (ONE_KEY, SEVERAL_KEYS):
        raise _unusable(path, "is of a version that this library does not support", "upgrade telemetry-audit")
    # 3. Every field has its type, and the algorithms are the only ones that are accepted.
    texts = all(isinstance(content.get(name), str) for name in ("purpose", "salt", "iv", "sealed", "sha256"))
    named = content.get("kdf") == _KDF and content.get("cipher") == _CIPHER
    if not texts or not named or type(content.get("iterations")) is not int or not _is_text_map(content.get("public")):
        raise _unusable(path, "is damaged, or not a key file of this library", "restore it from a backup")
    # 4. No accident changed a byte.
    if not hmac.compare_digest(content["sha256"].encode(), _digest(content).encode()):
        raise _unusable(path, "is damaged: it does not match its own digest", "restore it from a backup")
    # 5. Too few rounds would be a weak file, too many a start that never ends.
    if not MIN_ITERATIONS <= content["iterations"] <= MAX_ITERATIONS:
        raise _unusable(path, "has a number of rounds that is out of range", "restore it from a backup")
    # 6. A signing key must not wrap data keys, nor the other way round.
    if purpose is not None and content["purpose"] != purpose:
        raise _unusable(path, f"is a key file for {content['purpose'][:40]!r}", f"name one for {purpose!r}")
    return content


def _require_name(path: Path) -> None:
    if not path.name or "\0" in str(path):
        raise _unusable(path, "has no name that a file can have", "give the path of a key file")


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _decoded(path: Path, data: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unusable(path, "is damaged: it is not JSON", "restore it from a backup") from None
    if not isinstance(content, dict):
        raise _unusable(path, "is damaged: it is not a JSON object", "restore it from a backup")
    return content


def _unpack(path: Path, text: str) -> bytes:
    data = canonical_base64.decode(text)
    if data is None:
        raise _unusable(path, "is damaged: it is not base64", "restore it from a backup")
    return data


def _read_safely(path: Path) -> bytes:
    """Read the file unless somebody else may read or write it."""
    handle = _open_safely(path)
    try:
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    finally:
        os.close(handle)
    if len(data) > _MAX_FILE_BYTES:
        raise _unusable(path, "is too large to be a key file", "restore it from a backup")
    return data


def _open_safely(path: Path) -> int:
    _require_name(path)
    # Without O_NONBLOCK, opening a FIFO waits until somebody writes into it.
    flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"))
    try:
        handle = os.open(path, flags)
    except FileNotFoundError as exc:
        message = f"there is no key file {path}; create one with `telemetry keys init`"
        raise KeyNotFoundError(message) from exc
    except OSError as exc:
        raise _unusable(path, f"cannot be read: {exc.strerror}", "check its owner and mode; links are refused") from exc
    try:
        _require_private(path, os.fstat(handle))
    except BaseException:
        os.close(handle)
        raise
    return handle


def _lock(path: Path, handle: int) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The file may have been replaced between our open and our lock.
        is_current = os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        is_current = False
    if not is_current:
        raise _unusable(path, "is being changed by another process", "try again when that has ended")


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(path, "is not a regular file", "give the path of a key file")
    if os.name != "posix":
        return
    if status.st_uid not in (os.geteuid(), 0):
        raise _unusable(path, "belongs to another user", f"chown it to the user {os.geteuid()}")
    if stat.S_IMODE(status.st_mode) & 0o077 and not _is_handed_over(status):
        raise _unusable(path, "may be read or written by others", f"chmod 600 {path}")


def _is_handed_over(status: os.stat_result) -> bool:
    """Whether root owns the file and gave its group alone the right to read it, and this user is not root.

    So Kubernetes mounts a secret in a pod with ``fsGroup``, and systemd a credential, where the bits of the group are the
    mask of an access control list.
    """
    return status.st_uid == 0 != os.geteuid() and stat.S_IMODE(status.st_mode) & 0o077 == stat.S_IRGRP


def _write_if_free(path: Path, data: bytes) -> bool:
    try:
        write_durably(path, data, replace=False)
    except FileExistsError:
        return False
    return True


def _unusable(path: Path, reason: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(Problem("key_path", f"the key file {path} {reason}", remedy))
