"""Runs AWS KMS as moto emulates it, over TLS on 127.0.0.1, and corrects it where the service behaves differently.

Moto lets disabled keys work and calls a wrong key "access denied". The service refuses by key state
(docs.aws.amazon.com/kms/latest/developerguide/key-state.html) and answers IncorrectKeyException when ``KeyId`` is not the
key of the ciphertext, InvalidCiphertextException when the ciphertext or its encryption context was altered
(docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html).
"""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn, Self

import boto3
import flask
from moto.core.exceptions import JsonRESTError
from moto.kms.models import Key, KmsBackend, kms_backends
from moto.kms.utils import _deserialize_ciphertext_blob
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from telemetry.config import EncryptionConfig

REGION = "eu-central-1"
ACCOUNT = "123456789012"
_ID, _SECRET = "test-access-key", "test-secret-key"


class MotoKms:
    """One emulator in this process. Moto's state belongs to the process: create one at a time.

    Args:
        tls: Server side of TLS, for ``localhost``.
        ca_path: PEM file of the authority that the certificate chains to.
    """

    def __init__(self, tls: ssl.SSLContext, *, ca_path: str) -> None:
        self._ca_path = ca_path
        self._guard = threading.Lock()
        self._gate = threading.Event()
        self._gate.set()
        self._refusals: dict[str, tuple[str, int]] = {}
        self._accepted = ""
        self._refused_left: int | None = None
        self._calls: Counter[str] = Counter()
        self._originals: dict[str, Any] = {}
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1",
            0,
            DomainDispatcherApplication(create_backend_app),
            threaded=True,
            request_handler=_QuietHandler,
            ssl_context=tls,
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]  # of the threading mix-in
        self._server.block_on_close = False  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, name="moto-kms", daemon=True)

    def __enter__(self) -> Self:
        for name, find in (("generate_data_key", _key_by_id), ("decrypt", _key_of_ciphertext)):
            self._patch(name, find)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for name, original in self._originals.items():
            setattr(KmsBackend, name, original)
        kms_backends.reset()

    @property
    def url(self) -> str:
        """Base URL of the emulator."""
        return f"https://localhost:{self._server.server_port}"

    @property
    def client(self) -> Any:
        """A boto3 client of the emulator, for setting it up."""
        return boto3.client(
            "kms",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=_ID,
            aws_secret_access_key=_SECRET,
            verify=self._ca_path,
        )

    def create_key(self, *, multi_region: bool = False) -> str:
        """Create a key and return its ARN."""
        arn: str = self.client.create_key(MultiRegion=multi_region)["KeyMetadata"]["Arn"]
        return _renamed(arn) if multi_region else arn

    def config(self, key_id: str, **fields: Any) -> EncryptionConfig:
        """Return the configuration of an ``aws_kms`` provider."""
        values: dict[str, Any] = {
            "provider": "aws_kms",
            "kms_key_id": key_id,
            "aws_region": REGION,
            "aws_access_key_id": _ID,
            "aws_secret_access_key": _SECRET,
            "endpoint_url": self.url,
            "ca_path": self._ca_path,
            "max_retries": 0,
        }
        return EncryptionConfig(**{**values, **fields})

    def calls(self, operation: str) -> int:
        """How many requests of ``generate_data_key`` or ``decrypt`` arrived."""
        with self._guard:
            return self._calls[operation]

    def refuse(
        self, operation: str, *, code: str = "AccessDeniedException", status: int = 400, times: int | None = None
    ) -> None:
        """Answer every ``generate_data_key`` or ``decrypt`` with an error from now on, or ``times`` times."""
        with self._guard:
            self._refusals[operation] = (code, status)
            self._refused_left = times

    def accept_only(self, access_key_id: str) -> None:
        """Know no other access key; KMS says so with ``UnrecognizedClientException``."""
        with self._guard:
            self._accepted = access_key_id

    def allow_all(self) -> None:
        """Take back every refusal."""
        with self._guard:
            self._accepted = ""
            self._refusals.clear()
            self._refused_left = None

    def hang(self) -> None:
        """Answer nothing until :meth:`resume`."""
        self._gate.clear()

    def resume(self) -> None:
        """Answer the waiting requests, and all later ones."""
        self._gate.set()

    def _patch(self, name: str, find: Callable[..., Key | None]) -> None:
        original = self._originals[name] = getattr(KmsBackend, name)

        def guarded(backend: KmsBackend, **arguments: Any) -> Any:
            with self._guard:
                self._calls[name] += 1
            self._gate.wait()
            self._refuse_if_told(name)
            key = find(backend, **arguments)
            _require_enabled(key)
            if name == "decrypt":
                _require_right_key(backend, key, arguments.get("key_id"))
            return original(backend, **arguments)

        setattr(KmsBackend, name, guarded)

    def _refuse_if_told(self, operation: str) -> None:
        if f"Credential={self._accepted}" not in flask.request.headers["Authorization"]:
            _fail("UnrecognizedClientException", "no such key", status=400)
        with self._guard:
            refusal = self._refusals.get(operation)
            if refusal is None or self._refused_left == 0:
                return
            if self._refused_left is not None:
                self._refused_left -= 1
        _fail(refusal[0], "refused", status=refusal[1])


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name in werkzeug
        """Say nothing."""


def _renamed(arn: str) -> str:
    """Give a multi-Region key an id of the documented length, which fits into moto's ciphertexts; its own does not."""
    keys = kms_backends[ACCOUNT][REGION].keys
    key = keys.pop(arn.rpartition("/")[2])
    key.id = f"mrk-{key.id.removeprefix('mrk-').replace('-', '')}"
    key.arn = f"{arn.rpartition('/')[0]}/{key.id}"
    keys[key.id] = key
    return key.arn


def _key_by_id(backend: KmsBackend, *, key_id: str, **_: Any) -> Key | None:
    return backend.keys.get(backend.any_id_to_key_id(key_id))


def _key_of_ciphertext(backend: KmsBackend, *, ciphertext_blob: bytes, **_: Any) -> Key | None:
    try:
        return backend.keys[_deserialize_ciphertext_blob(ciphertext_blob).key_id]
    except Exception:  # noqa: BLE001 - moto's parser raises whatever the bytes make it raise
        _fail("InvalidCiphertextException", "")


def _require_enabled(key: Key | None) -> None:
    if key is None or key.key_state == "Enabled":
        return
    code = "DisabledException" if key.key_state == "Disabled" else "KMSInvalidStateException"
    _fail(code, f"{key.arn} is {key.key_state}.")


def _require_right_key(backend: KmsBackend, key: Key | None, asked: str | None) -> None:
    if asked is not None and key is not None and backend.any_id_to_key_id(asked) != key.id:
        _fail(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        )


def _fail(code: str, message: str, *, status: int = 400) -> NoReturn:
    error = JsonRESTError(code, message)
    error.code = status
    raise error
