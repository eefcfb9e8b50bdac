"""Wraps data keys with Google Cloud Key Management Service (Cloud KMS)."""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from telemetry.config import EncryptionConfig
from telemetry.config.endpoints import read_certificates
from telemetry.config.secret_files import require_unchangeable
from telemetry.encryption.context import canonical, require_bounds, require_data_key
from telemetry.encryption.listed_keys import not_listed
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey
from telemetry.encryption.providers.remote import SECTION, RemoteKeyProvider, checked_endpoint, misconfigured
from telemetry.encryption.providers.sdk_errors import SdkErrors
from telemetry.exceptions import (
    KeyAccessDeniedError,
    KeyCredentialsError,
    KeyDisabledError,
    KeyMismatchError,
    KeyNotFoundError,
    KeyServiceError,
    KeyThrottledError,
    KeyUnreachableError,
)
from telemetry.format.value.recipients import Wrap
from telemetry.system.fork_relay import Relay

SCHEME = "gcp-kms://"
_DEFAULT_UNIVERSE = "googleapis.com"
_SCOPES = ("https://www.googleapis.com/auth/cloudkms",)
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_VERSION = re.compile(r"/cryptoKeyVersions/[0-9]{1,10}")

# google.rpc.Code (github.com/googleapis/googleapis, google/rpc/code.proto) as Cloud KMS uses it.
GRPC_CODES: Mapping[str, type[KeyServiceError]] = {
    "CANCELLED": KeyUnreachableError,
    "UNKNOWN": KeyUnreachableError,
    "INVALID_ARGUMENT": KeyServiceError,
    "DEADLINE_EXCEEDED": KeyUnreachableError,
    "NOT_FOUND": KeyNotFoundError,
    "ALREADY_EXISTS": KeyServiceError,
    "PERMISSION_DENIED": KeyAccessDeniedError,
    "RESOURCE_EXHAUSTED": KeyThrottledError,
    # cloud.google.com/kms/docs/key-states: a version that is disabled, scheduled for destruction or destroyed.
    "FAILED_PRECONDITION": KeyDisabledError,
    "ABORTED": KeyUnreachableError,
    "OUT_OF_RANGE": KeyServiceError,
    "UNIMPLEMENTED": KeyServiceError,
    "INTERNAL": KeyUnreachableError,
    "UNAVAILABLE": KeyUnreachableError,
    "DATA_LOSS": KeyUnreachableError,
    "UNAUTHENTICATED": KeyCredentialsError,
}
_NAMES: Mapping[str, type[KeyServiceError]] = {
    # Errors of google-api-core and google-auth without a gRPC code.
    "Unauthorized": KeyCredentialsError,
    "Forbidden": KeyAccessDeniedError,
    "NotFound": KeyNotFoundError,
    "PreconditionFailed": KeyDisabledError,
    "TooManyRequests": KeyThrottledError,
    "ServerError": KeyUnreachableError,
    "Conflict": KeyUnreachableError,
    "Redirection": KeyUnreachableError,
    "RetryError": KeyUnreachableError,
    "TransportError": KeyUnreachableError,
    "TimeoutError": KeyUnreachableError,
    "ResponseError": KeyUnreachableError,
    "RefreshError": KeyCredentialsError,
    "DefaultCredentialsError": KeyCredentialsError,
    "GoogleAuthError": KeyAccessDeniedError,
    "ClientError": KeyServiceError,
    "GoogleAPIError": KeyServiceError,
}
_REMEDIES: Mapping[type[KeyServiceError], str] = {
    KeyAccessDeniedError: "grant cloudkms.cryptoKeyVersions.useToEncrypt to writers and ...useToDecrypt to readers on "
    "the key, and check the credentials (a key that does not exist is reported so too)",
    KeyNotFoundError: "check project_id, location, key_ring and gcp_key_name",
    KeyDisabledError: "enable the key version, or restore it, in Cloud KMS",
    KeyThrottledError: "raise the quota of cryptographic requests, or max_retries",
    KeyMismatchError: "the wrapped key or its context was altered, or another key wrapped it",
}
ERRORS = SdkErrors(service="Cloud KMS", names=_NAMES, remedies=_REMEDIES)


class GcpKmsProvider(RemoteKeyProvider):
    """Wraps data keys with a symmetric key of Google Cloud KMS (``gcp_kms``).

    A writer needs ``cloudkms.cryptoKeyVersions.useToEncrypt`` on the key (role *Cloud KMS CryptoKey Encrypter*), a
    reader ``cloudkms.cryptoKeyVersions.useToDecrypt`` (*Cloud KMS CryptoKey Decrypter*). A writer without the right to
    decrypt sets ``writer_only``.

    Credentials: ``gcp_credentials_path``, a service-account file; else the default chain of google-auth:
    ``GOOGLE_APPLICATION_CREDENTIALS``, workload identity, the attached service account.

    The context is additional authenticated data, so Cloud KMS itself refuses another one. CRC32C checksums of everything
    sent and received are compared on both ends. A reader asks for the configured key only; Cloud KMS finds the version
    that wrapped, so a key may be rotated while old records stay readable.

    A child that was forked from a process with a provider creates one of its own, as with every provider. gRPC does not
    survive ``fork()``: a lock that it holds for a moment in the parent may stay locked in the child. So in a child of a
    process that had used it, the provider has its work done by a process of its own, started on first use.

    Args:
        config: ``project_id``, ``location``, ``key_ring`` and ``gcp_key_name`` are required.
    """

    extra = "gcp"
    sdk = ("google.cloud.kms_v1", "google_crc32c")
    body_loggers = (
        "google.cloud.kms_v1.services.key_management_service.transports.grpc",
        "google.cloud.kms_v1.services.key_management_service.client",
    )

    _grpc_pid: ClassVar[int | None] = None

    def __init__(self, config: EncryptionConfig) -> None:
        super().__init__(config)
        fields = ("project_id", "location", "key_ring", "gcp_key_name")
        for field in fields:
            if not _PART.fullmatch(getattr(config, field) or ""):
                raise misconfigured(field=field, reason="is not a name of Cloud KMS", remedy="give the name alone")
        self._key = "projects/{}/locations/{}/keyRings/{}/cryptoKeys/{}".format(*(getattr(config, f) for f in fields))
        self._encrypting = f"encrypting a data key with {self._key}"
        self._host = _host_of(config.endpoint_url)
        self._relay: Relay | None = None
        self._authorizing = threading.Lock()
        self._credentials: Any = None
        self._request: Any = None
        self._audience = ""

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key and have Cloud KMS encrypt it with the key's primary version."""
        plaintext = secrets.token_bytes(DATA_KEY_BYTES)
        wrapped, key_uri = self.wrap(plaintext, context)
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri=key_uri)

    def wrap(self, plaintext: bytes, context: Context) -> Wrap:
        """Have Cloud KMS encrypt a data key with the key's primary version."""
        name, wrapped = self._reach("_encrypt", plaintext, canonical(context))
        if not self._is_version(name):
            message = f"{self._encrypting} was done by another key; check endpoint_url"
            raise KeyMismatchError(message)
        return Wrap(wrapped, SCHEME + name)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Have Cloud KMS decrypt a data key."""
        require_bounds(wrapped, key_uri)
        if not self.admits(key_uri):
            raise not_listed(key_uri, configured=f"the configured {self._key}")
        return require_data_key(self._reach("_decrypt", wrapped, canonical(context)), key_uri=key_uri)

    def admits(self, key_uri: str) -> bool:
        """Whether a URI names the configured key, or a version of it."""
        named = key_uri.removeprefix(SCHEME)
        return key_uri.startswith(SCHEME) and (named == self._key or self._is_version(named))

    def close(self) -> None:
        """Release the connection; see ``RemoteKeyProvider.close``."""
        super().close()
        with self._connecting:
            relay, self._relay = self._relay, None
        if relay is not None:
            relay.close()

    def _reach(self, method: str, *arguments: bytes) -> Any:
        """Call a method here, or in a process of its own if this is a child of a process that had used gRPC."""
        relay = self._relay_of_fork()
        return getattr(self, method)(*arguments) if relay is None else relay.call(method, *arguments)

    def _relay_of_fork(self) -> Relay | None:
        if GcpKmsProvider._grpc_pid in (None, os.getpid()) or self._closing.is_set():
            return None
        with self._connecting:
            if self._relay is None or not self._relay.is_alive:
                self._relay = Relay(type(self), self.config, lost=KeyUnreachableError)
            return self._relay

    def _encrypt(self, plaintext: bytes, associated: bytes) -> tuple[str, bytes]:
        """Return the version that encrypted, and the ciphertext."""
        request = {
            "name": self._key,
            "plaintext": plaintext,
            "plaintext_crc32c": _crc32c(plaintext),
            "additional_authenticated_data": associated,
            "additional_authenticated_data_crc32c": _crc32c(associated),
        }
        doing = self._encrypting
        answer = self._call(lambda kms: _verified_encrypt(self._ask(kms.encrypt, request), doing), doing=doing)
        return answer.name, answer.ciphertext

    def _decrypt(self, wrapped: bytes, associated: bytes) -> bytes:
        request = {
            "name": self._key,
            "ciphertext": wrapped,
            "ciphertext_crc32c": _crc32c(wrapped),
            "additional_authenticated_data": associated,
            "additional_authenticated_data_crc32c": _crc32c(associated),
        }
        doing = f"decrypting a data key with {self._key}"
        answer = self._call(lambda kms: _verified_decrypt(self._ask(kms.decrypt, request), doing), doing=doing)
        plaintext: bytes = answer.plaintext
        return plaintext

    def _ask(self, method: Any, request: dict[str, Any]) -> Any:
        return method(request=request, retry=None, timeout=self._timeout, metadata=self._authorization())

    def _authorization(self) -> list[tuple[str, str]]:
        """Return the headers that identify the caller.

        They are created here and not by a plug-in of gRPC: that is called, and later released, in threads of gRPC which
        need the interpreter's lock, and a ``fork()`` that holds it meanwhile waits for them indefinitely.
        """
        headers: dict[str, str] = {}
        with self._authorizing:
            self._credentials.before_request(self._request, "POST", self._audience, headers)
        return [(name.lower(), text) for name, text in headers.items()]

    def _is_version(self, name: str) -> bool:
        return name.startswith(self._key) and _VERSION.fullmatch(name[len(self._key) :]) is not None

    def _connect(self) -> Any:
        import grpc  # noqa: PLC0415 - absent without the extra
        from google.auth.transport.requests import Request  # noqa: PLC0415
        from google.cloud import kms_v1  # noqa: PLC0415
        from google.cloud.kms_v1.services.key_management_service.transports import (  # noqa: PLC0415
            KeyManagementServiceGrpcTransport,
        )

        path = self.config.ca_path
        trusted = read_certificates(path, field=f"{SECTION}ca_path") if path else None
        self._credentials, self._request = self._new_credentials(), Request()
        # Sovereign clouds are other universes; the credentials state to which one they belong.
        universe = getattr(self._credentials, "universe_domain", None) or _DEFAULT_UNIVERSE
        self._audience = f"https://cloudkms.{universe}/"
        host = self._host or f"cloudkms.{universe}:443"
        GcpKmsProvider._grpc_pid = os.getpid()
        channel = grpc.secure_channel(host, grpc.ssl_channel_credentials(trusted))
        transport = KeyManagementServiceGrpcTransport(host=host, channel=channel)
        return kms_v1.KeyManagementServiceClient(transport=transport, client_options={"universe_domain": universe})

    def _new_credentials(self) -> Any:
        import google.auth  # noqa: PLC0415 - absent without the extra
        from google.oauth2 import service_account  # noqa: PLC0415

        path = self.config.gcp_credentials_path
        if path is None:
            return google.auth.default(scopes=_SCOPES)[0]
        require_unchangeable(path, field=f"{SECTION}gcp_credentials_path")
        try:
            load: Any = service_account.Credentials.from_service_account_file
            # Tokens that the account signs itself need no server.
            return load(str(path.expanduser()), scopes=_SCOPES, always_use_jwt_access=True)
        except (OSError, ValueError) as exc:
            reason = f"is not a readable service-account file ({type(exc).__name__})"
            raise misconfigured(field="gcp_credentials_path", reason=reason, remedy="give its JSON file") from exc

    def _disconnect(self, client: Any) -> None:
        client.transport.close()

    def _translate(self, error: Exception, doing: str) -> KeyServiceError | None:
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 - absent without the extra
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        if not isinstance(error, (GoogleAPIError, GoogleAuthError)):
            return None
        kind = GRPC_CODES.get(_code_of(error)) or ERRORS.kind_of(type(error)) or KeyServiceError
        if kind is KeyServiceError and _code_of(error) == "INVALID_ARGUMENT":
            # cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
            if "checksum" in str(error).lower():
                kind = KeyUnreachableError  # altered on the way; a further call may help
            elif doing.startswith("decrypting"):
                kind = KeyMismatchError
        return ERRORS.translated(kind, doing, error, answer=_code_of(error))


def _code_of(error: Any) -> str:
    return getattr(getattr(error, "grpc_status_code", None), "name", "")


def _verified_encrypt(answer: Any, doing: str) -> Any:
    """Check the checksums as cloud.google.com/kms/docs/data-integrity-guidelines asks."""
    arrived = answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c
    if not arrived or answer.ciphertext_crc32c != _crc32c(answer.ciphertext):
        raise KeyUnreachableError(_altered(doing))
    return answer


def _verified_decrypt(answer: Any, doing: str) -> Any:
    if answer.plaintext_crc32c != _crc32c(answer.plaintext):
        del answer  # a traceback with local variables must not show the data key
        raise KeyUnreachableError(_altered(doing))
    return answer


def _altered(doing: str) -> str:
    return f"{doing} failed: the data was altered between here and Cloud KMS (CRC32C); check proxies on the way"


def _crc32c(data: bytes) -> int:
    from google_crc32c import value  # noqa: PLC0415 - absent without the extra

    checksum: int = value(data)
    return checksum


def _host_of(endpoint: str | None) -> str | None:
    if endpoint is None:
        return None
    parts = urlsplit(checked_endpoint(endpoint if "://" in endpoint else f"https://{endpoint}", field="endpoint_url"))
    if parts.scheme != "https" or parts.path:
        raise misconfigured(field="endpoint_url", reason="is not https://HOST:PORT", remedy="write it so")
    return parts.netloc
