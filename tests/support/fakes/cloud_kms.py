"""A Cloud KMS of one's own, in memory, over gRPC and TLS: the part of it that wrapping needs. Needs the extra ``gcp``.

What it does follows the service's reference (cloud.google.com/kms/docs):

- Encrypt uses the key's primary version and names it; Decrypt takes the key and finds the version in the ciphertext
  (reference/rpc/google.cloud.kms.v1, methods Encrypt and Decrypt);
- checksums sent along are compared, a difference is INVALID_ARGUMENT, and the answer says which were compared
  (data-integrity-guidelines);
- a version that is disabled, scheduled for destruction or destroyed is FAILED_PRECONDITION (key-states);
- altered ciphertext and other additional authenticated data are INVALID_ARGUMENT and not told apart
  (additional-authenticated-data);
- plaintext and additional data may have 64 KiB each (quotas, reference of EncryptRequest).
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SERVICE = "google.cloud.kms.v1.KeyManagementService"
_MAX_BYTES = 64 << 10
_HEADER = 4
_IV = 12
_THREADS = 16
ENABLED, DISABLED, DESTROYED, DESTROY_SCHEDULED = "ENABLED", "DISABLED", "DESTROYED", "DESTROY_SCHEDULED"


@dataclass
class _Key:
    versions: dict[int, tuple[AESGCM, str]] = field(default_factory=dict)
    primary: int = 0


class FakeCloudKms:
    """A server on 127.0.0.1 that lives as long as its context.

    Args:
        private_key: PEM of the server's key.
        certificates: PEM of the server's certificate chain, for ``localhost``.
    """

    def __init__(self, *, private_key: bytes, certificates: bytes) -> None:
        self._grpc = import_module("grpc")
        self._types = import_module("google.cloud.kms_v1.types")
        self._crc32c = import_module("google_crc32c").value
        self._guard = threading.RLock()
        self._gate = threading.Event()
        self._gate.set()
        self._keys: dict[str, _Key] = {}
        self._refusals: dict[str, str] = {}
        self._refused_left: int | None = None
        self._corrupted: str | None = None
        self._calls: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fake-cloud-kms")
        self._server = self._grpc.server(self._pool)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        credentials = self._grpc.ssl_server_credentials([(private_key, certificates)])
        self._port = self._server.add_secure_port("127.0.0.1:0", credentials)

    @property
    def endpoint(self) -> str:
        """Where it answers, as ``https://HOST:PORT``."""
        return f"https://localhost:{self._port}"

    def calls(self, operation: str) -> int:
        """How many requests of ``Encrypt`` or ``Decrypt`` arrived."""
        with self._guard:
            return self._calls[operation]

    def add_version(self, key: str) -> int:
        """Make a new primary version of a key, named ``projects/.../cryptoKeys/NAME``; make the key if need be."""
        with self._guard:
            found = self._keys.setdefault(key, _Key())
            found.primary = len(found.versions) + 1
            found.versions[found.primary] = (AESGCM(AESGCM.generate_key(256)), ENABLED)
            return found.primary

    def set_state(self, key: str, state: str) -> None:
        """Put every version of a key into ``ENABLED``, ``DISABLED``, ``DESTROY_SCHEDULED`` or ``DESTROYED``."""
        with self._guard:
            versions = self._keys[key].versions
            versions.update({number: (cipher, state) for number, (cipher, _) in versions.items()})

    def refuse(self, operation: str, *, code: str = "PERMISSION_DENIED", times: int | None = None) -> None:
        """Answer every ``Encrypt`` or ``Decrypt`` with an error from now on, or ``times`` times."""
        with self._guard:
            self._refusals[operation] = code
            self._refused_left = times

    def corrupt(self, what: str) -> None:
        """Alter ``answer`` after its checksum, or ``request`` before it is looked at, as a faulty proxy would."""
        with self._guard:
            self._corrupted = what

    def allow_all(self) -> None:
        """Take back every refusal and corruption."""
        with self._guard:
            self._refusals.clear()
            self._refused_left = self._corrupted = None

    def hang(self) -> None:
        """Answer nothing until :meth:`resume`."""
        self._gate.clear()

    def resume(self) -> None:
        """Answer what waits, and everything after it."""
        self._gate.set()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self._server.stop(None).wait()
        self._pool.shutdown()

    def _handlers(self) -> Any:
        types, method = self._types, self._grpc.unary_unary_rpc_method_handler
        kinds = {
            "Encrypt": (self._encrypt, types.EncryptRequest, types.EncryptResponse),
            "Decrypt": (self._decrypt, types.DecryptRequest, types.DecryptResponse),
        }
        methods = {
            name: method(
                self._entry(name, answer),
                request_deserializer=asked.deserialize,
                response_serializer=given.serialize,
            )
            for name, (answer, asked, given) in kinds.items()
        }
        return self._grpc.method_handlers_generic_handler(_SERVICE, methods)

    def _entry(self, operation: str, answer: Any) -> Any:
        def handle(request: Any, call: Any) -> Any:
            with self._guard:
                self._calls[operation] += 1
            self._gate.wait()
            with self._guard:
                code = self._refusals.get(operation)
                if code is not None and self._refused_left != 0:
                    if self._refused_left is not None:
                        self._refused_left -= 1
                    self._abort(call, code, "refused")
                metadata = dict(call.invocation_metadata())
                if not str(metadata.get("authorization", "")).startswith("Bearer "):
                    self._abort(call, "UNAUTHENTICATED", "no credentials")
                return answer(request, call)

        return handle

    def _encrypt(self, request: Any, call: Any) -> Any:
        self._verify(call, request.plaintext, request.plaintext_crc32c, "plaintext")
        associated = request.additional_authenticated_data
        self._verify(call, associated, request.additional_authenticated_data_crc32c, "additional_authenticated_data")
        if max(len(request.plaintext), len(associated)) > _MAX_BYTES:
            self._abort(call, "INVALID_ARGUMENT", "more than 64 KiB")
        key = self._find(call, request.name)
        cipher = self._enabled(call, request.name, key.primary)
        iv = os.urandom(_IV)
        sealed = struct.pack(">I", key.primary) + iv + cipher.encrypt(iv, request.plaintext, associated)
        return self._types.EncryptResponse(
            name=f"{request.name}/cryptoKeyVersions/{key.primary}",
            ciphertext=self._altered(sealed),
            ciphertext_crc32c=self._crc32c(sealed),
            verified_plaintext_crc32c=request.plaintext_crc32c is not None,
            verified_additional_authenticated_data_crc32c=request.additional_authenticated_data_crc32c is not None,
        )

    def _decrypt(self, request: Any, call: Any) -> Any:
        self._verify(call, request.ciphertext, request.ciphertext_crc32c, "ciphertext")
        associated = request.additional_authenticated_data
        self._verify(call, associated, request.additional_authenticated_data_crc32c, "additional_authenticated_data")
        key = self._find(call, request.name)
        sealed = request.ciphertext
        number = struct.unpack(">I", sealed[:_HEADER])[0] if len(sealed) > _HEADER + _IV else 0
        if number not in key.versions:
            self._abort(call, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.")
        cipher = self._enabled(call, request.name, number)
        try:
            plaintext = cipher.decrypt(sealed[_HEADER : _HEADER + _IV], sealed[_HEADER + _IV :], associated)
        except InvalidTag:
            self._abort(
                call, "INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey."
            )
        return self._types.DecryptResponse(
            plaintext=self._altered(plaintext),
            plaintext_crc32c=self._crc32c(plaintext),
            used_primary=number == key.primary,
        )

    def _find(self, call: Any, name: str) -> _Key:
        found = self._keys.get(name)
        if found is None:
            self._abort(call, "NOT_FOUND", f"CryptoKey {name} not found.")
        return found

    def _enabled(self, call: Any, name: str, number: int) -> AESGCM:
        cipher, state = self._keys[name].versions[number]
        if state != ENABLED:
            message = f"{name}/cryptoKeyVersions/{number} is not enabled, current state is: {state}."
            self._abort(call, "FAILED_PRECONDITION", message)
        return cipher

    def _verify(self, call: Any, data: bytes, checksum: int | None, name: str) -> None:
        arrived = data + b"\x00" if self._corrupted == "request" else data
        if checksum is not None and checksum != self._crc32c(arrived):
            message = f"The checksum in field {name}_crc32c did not match the data in field {name}."
            self._abort(call, "INVALID_ARGUMENT", message)

    def _altered(self, data: bytes) -> bytes:
        return data[:-1] + bytes((data[-1] ^ 1,)) if self._corrupted == "answer" else data

    def _abort(self, call: Any, code: str, message: str) -> NoReturn:
        call.abort(self._grpc.StatusCode[code], message)
        raise AssertionError  # abort() has raised


def write_service_account(path: Path) -> Path:
    """Write a service-account file with a key that no cloud knows; the SDK signs its tokens with it, offline.

    It belongs to a universe of its own: for accounts of the usual one google-auth looks up where they may be used.
    """
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    content = {
        "type": "service_account",
        "project_id": "fake",
        "private_key_id": secrets.token_hex(20),
        "private_key": pem.decode(),
        "client_email": "telemetry@fake.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://localhost/token",
        "universe_domain": "universe.example",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
    return path
