"""Wraps data keys with Azure Key Vault or Managed HSM."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from telemetry.config import EncryptionConfig
from telemetry.config.endpoints import require_together
from telemetry.encryption.context import context_digest, require_bounds, require_data_key
from telemetry.encryption.listed_keys import not_listed
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey
from telemetry.encryption.providers.remote import (
    SECTION,
    RemoteKeyProvider,
    ca_file,
    checked_endpoint,
    misconfigured,
)
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

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.keyvault.keys import KeyClient

SCHEME = "azure-keyvault://"
_VERSION = re.compile(r"[0-9a-fA-F]{32}")
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")

_FORM = 1
_RSA, _AES = 1, 2
_ALGORITHMS: Mapping[int, str] = {_RSA: "RSA-OAEP-256", _AES: "A256KW"}
_KEY_TYPES: Mapping[str, int] = {"RSA": _RSA, "RSA-HSM": _RSA, "oct": _AES, "oct-HSM": _AES}

# learn.microsoft.com/azure/key-vault/general/rest-error-codes, and azure-core's error for each status.
STATUSES: Mapping[int, type[KeyServiceError]] = {
    400: KeyServiceError,
    401: KeyCredentialsError,
    403: KeyAccessDeniedError,
    404: KeyNotFoundError,
    408: KeyUnreachableError,
    409: KeyDisabledError,  # the key is being deleted or recovered
    429: KeyThrottledError,
}
_DISABLED_CODES = frozenset({"KeyDisabled", "KeyExpired", "KeyNotYetValid"})
_DISABLED_WORDS = ("disabled key", "expired key", "not yet valid")
_NAMES: Mapping[str, type[KeyServiceError]] = {
    # The SDK's errors without a status.
    "ServiceRequestError": KeyUnreachableError,
    "ServiceResponseError": KeyUnreachableError,
    "IncompleteReadError": KeyUnreachableError,
    "DecodeError": KeyUnreachableError,
    "StreamConsumedError": KeyUnreachableError,
    "StreamClosedError": KeyUnreachableError,
    "ResponseNotReadError": KeyUnreachableError,
    "DeserializationError": KeyUnreachableError,
    "ClientAuthenticationError": KeyCredentialsError,
    "ResourceNotFoundError": KeyNotFoundError,
    "ResourceExistsError": KeyDisabledError,
    "SerializationError": KeyServiceError,
    "AzureError": KeyServiceError,
}
_REMEDIES: Mapping[type[KeyServiceError], str] = {
    KeyAccessDeniedError: "grant keys/get and keys/wrapKey to writers and keys/unwrapKey to readers, and check the "
    "credentials and the vault's firewall",
    KeyNotFoundError: "check vault_url, key_name and key_version; a deleted key can be recovered",
    KeyDisabledError: "enable the key version, or correct its dates, in the vault",
    KeyThrottledError: "spread the load over vaults, or raise max_retries",
    KeyMismatchError: "the wrapped key was altered, or another key wrapped it",
}
ERRORS = SdkErrors(service="Key Vault", names=_NAMES, remedies=_REMEDIES)


class AzureKeyVaultProvider(RemoteKeyProvider):
    """Wraps data keys with a key of Azure Key Vault or Managed HSM (``azure_keyvault``).

    RSA and RSA-HSM keys (2,048 bits and more) wrap with RSA-OAEP-256, oct-HSM keys of 256 bits with A256KW.

    A writer needs the data actions ``Microsoft.KeyVault/vaults/keys/read`` and ``.../keys/wrap/action`` (access policy:
    ``get``, ``wrapKey``), a reader ``.../keys/unwrap/action`` only (``unwrapKey``). A writer without it sets
    ``writer_only``. The role *Key Vault Crypto Service Encryption User* includes all three.

    Credentials: ``azure_tenant_id``, ``azure_client_id`` and ``azure_client_secret``; else the default chain of
    azure-identity: environment, workload identity, managed identity (that of ``azure_client_id``, if given), developer
    tools.

    Key Vault cannot bind a context, so the SHA-256 of the context is wrapped together with the data key and compared
    after unwrapping. A reader asks for the configured vault and key name only, in the version that wrapped; so a key may
    be rotated while old records stay readable.

    Every wrap and unwrap is done by the vault, and before a wrap the key is looked up, so that a key which was disabled
    or expired wraps nothing more. The SDK's ``CryptographyClient`` would wrap RSA on its own, without looking, and for an
    oct-HSM key, whose bytes it cannot have, with random bytes that nobody keeps. An expired key still unwraps.

    Args:
        config: ``vault_url`` and ``key_name`` are required. With ``endpoint_url`` the vault is reached there, while it
            is still named after ``vault_url``; the check that the token was asked for the vault's own domain is then off.
    """

    extra = "azure"
    sdk = ("azure.keyvault.keys", "azure.identity")

    def __init__(self, config: EncryptionConfig) -> None:
        super().__init__(config)
        self._vault = urlsplit(checked_endpoint(config.vault_url or "", field="vault_url")).netloc.lower()
        self._url = checked_endpoint(config.endpoint_url or config.vault_url or "", field="endpoint_url")
        if not self._url.startswith("https:"):
            # The SDK sends no token without TLS, not even to this machine.
            raise misconfigured(field="endpoint_url", reason="has no TLS", remedy="write https://")
        self._name = config.key_name or ""
        if not _NAME.fullmatch(self._name):
            raise misconfigured(
                field="key_name", reason="is not the name of a key", remedy="use letters, digits and hyphens"
            )
        self._prefix = f"{SCHEME}{self._vault}/{self._name}/"
        self._pinned = config.key_version
        if self._pinned is not None and not _VERSION.fullmatch(self._pinned):
            raise misconfigured(field="key_version", reason="is not a version", remedy="give its 32 hexadecimal digits")
        if config.azure_client_secret is not None:
            require_together(config, "azure_tenant_id", "azure_client_id", "azure_client_secret", section=SECTION)

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key and have the vault wrap it with the newest version of the key, or the configured one."""
        plaintext = secrets.token_bytes(DATA_KEY_BYTES)
        wrapped, key_uri = self.wrap(plaintext, context)
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri=key_uri)

    def wrap(self, plaintext: bytes, context: Context) -> Wrap:
        """Have the vault wrap a data key with the newest version of the key, or the configured one."""
        version, kind = self._version_to_wrap_with()
        answer = self._post(version, "wrapkey", kind, plaintext + context_digest(context))
        wrapped = bytes((_FORM, kind)) + _decoded(answer.get("value"))
        return Wrap(wrapped, f"{self._prefix}{version}")

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Have the vault unwrap a data key, and compare the context inside."""
        require_bounds(wrapped, key_uri)
        version = self._version_of(key_uri)
        if len(wrapped) <= 2 or wrapped[0] != _FORM or wrapped[1] not in _ALGORITHMS:  # noqa: PLR2004 - the two bytes
            message = "the wrapped data key does not have the form that azure_keyvault gives it; it was altered"
            raise KeyMismatchError(message)
        answer = self._post(version, "unwrapkey", wrapped[1], wrapped[2:])
        plaintext = _decoded(answer.pop("value", None))
        if not hmac.compare_digest(plaintext[DATA_KEY_BYTES:], context_digest(context)):
            del plaintext  # it is a data key, and a traceback with local variables must not show it
            message = (
                f"the data key that {key_uri} unwrapped belongs to another service or environment, or telemetry did not "
                "create it"
            )
            raise KeyMismatchError(message)
        return require_data_key(plaintext[:DATA_KEY_BYTES], key_uri=key_uri)

    def admits(self, key_uri: str) -> bool:
        """Whether a URI names a version of the configured key."""
        return key_uri.startswith(self._prefix) and _VERSION.fullmatch(key_uri[len(self._prefix) :]) is not None

    def _version_to_wrap_with(self) -> tuple[str, int]:
        """Return the newest version of the key, or the configured one, and its kind, if it may be used."""
        doing = f"looking up the key {self._name} in {self._vault}"
        bundle = self._request("GET", self._pinned or "", "", None, doing)
        facts = _KeyFacts.read(bundle)
        if facts.name != self._name or not _VERSION.fullmatch(facts.version):
            message = f"{doing} was answered with another key; check endpoint_url"
            raise KeyMismatchError(message)
        if facts.kty not in _KEY_TYPES:
            message = f"{self._name} in {self._vault} is a key of type {facts.kty[:16]!r}; use an RSA or oct-HSM key"
            raise KeyServiceError(message)
        # The vault still wraps with an RSA key that is disabled, since anyone with the public half could.
        if not _is_in_use(bundle.get("attributes")):
            remedy = _REMEDIES[KeyDisabledError]
            message = f"{self._name}/{facts.version} in {self._vault} is disabled, expired or not yet valid; {remedy}"
            raise KeyDisabledError(message)
        return facts.version, _KEY_TYPES[facts.kty]

    def _version_of(self, key_uri: str) -> str:
        """Return the version that a record names, if it names the configured vault and key."""
        if not self.admits(key_uri):
            raise not_listed(key_uri, configured=f"a version of the configured {self._prefix[:-1]}")
        return key_uri[len(self._prefix) :]

    def _post(self, version: str, operation: str, kind: int, value: bytes) -> dict[str, Any]:
        doing = f"{operation} with {SCHEME}{self._vault}/{self._name}/{version}"
        body = {"alg": _ALGORITHMS[kind], "value": _encoded(value)}
        answer: dict[str, Any] = self._request("POST", version, operation, body, doing)
        # learn.microsoft.com/rest/api/keyvault/keys/wrap-key: the answer names the key and version that did it.
        if _KeyFacts.read({"key": answer})[:2] != (self._name, version):
            message = f"{doing} was done by another key; check endpoint_url"
            raise KeyMismatchError(message)
        return answer

    def _request(self, method: str, version: str, operation: str, body: dict[str, str] | None, doing: str) -> Any:
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - absent without the extra

        path = "/".join(part for part in ("/keys", quote(self._name), version, operation) if part)

        def ask(client: KeyClient) -> Any:
            response = client.send_request(HttpRequest(method, path, json=body))
            response.raise_for_status()
            return response.json()

        try:
            answer = self._call(ask, doing=doing)
        except ValueError as exc:  # no JSON, or a challenge for a token that does not fit the vault
            message = f"{doing} failed: the answer is not a Key Vault's ({type(exc).__name__}); check endpoint_url"
            raise KeyUnreachableError(message) from exc
        if not isinstance(answer, dict):
            message = f"{doing} failed: the answer is not a Key Vault's; check endpoint_url"
            raise KeyUnreachableError(message)
        return answer

    def _new_credential(self) -> TokenCredential:
        """Return the source of tokens; a test's vault has its own."""
        from azure import identity  # noqa: PLC0415 - absent without the extra

        config = self.config
        if config.azure_client_secret is not None:
            return identity.ClientSecretCredential(
                config.azure_tenant_id or "",
                config.azure_client_id or "",
                config.azure_client_secret.get_secret_value(),
            )
        if config.azure_client_id is not None:
            return identity.DefaultAzureCredential(managed_identity_client_id=config.azure_client_id)
        return identity.DefaultAzureCredential()

    def _connect(self) -> Any:
        from azure.keyvault.keys import KeyClient  # noqa: PLC0415 - absent without the extra

        # Requests prefers REQUESTS_CA_BUNDLE to a session's own setting, so the file is given with each request.
        trusted = ca_file(self.config)
        return KeyClient(
            self._url,
            self._new_credential(),
            permit_redirects=False,  # the SDK would repeat the body, a data key, also at an address without TLS
            verify_challenge_resource=self.config.endpoint_url is None,
            retry_total=0,
            connection_timeout=self._timeout,
            read_timeout=self._timeout,
            **({} if trusted is None else {"connection_verify": trusted}),
        )

    def _disconnect(self, client: KeyClient) -> None:
        client.close()

    def _translate(self, error: Exception, doing: str) -> KeyServiceError | None:
        from azure.core.exceptions import (  # noqa: PLC0415 - absent without the extra
            AzureError,
            ClientAuthenticationError,
            HttpResponseError,
        )

        if isinstance(error, ClientAuthenticationError):
            # Of the vault, or of the service that gives tokens, whose status may be another one.
            return ERRORS.translated(KeyCredentialsError, doing, error, answer=f"HTTP {error.status_code or 401}")
        if isinstance(error, HttpResponseError) and error.status_code is not None:
            kind = _kind_of_response(error, unwrapping="unwrapkey" in doing)
            return ERRORS.translated(kind, doing, error, answer=f"HTTP {error.status_code}")
        if isinstance(error, AzureError):
            return ERRORS.translated(ERRORS.kind_of(type(error)) or KeyServiceError, doing, error)
        return None


class _KeyFacts(NamedTuple):
    """Name, version and type of a key, as its bundle states them."""

    name: str
    version: str
    kty: str

    @classmethod
    def read(cls, bundle: Any) -> _KeyFacts:
        key = bundle.get("key") if isinstance(bundle, dict) else None
        kid = key.get("kid") if isinstance(key, dict) else None
        parts = urlsplit(kid).path.split("/") if isinstance(kid, str) else []
        if not isinstance(key, dict) or len(parts) != 4 or parts[1] != "keys":  # noqa: PLR2004 - /keys/NAME/VERSION
            return cls("", "", "")
        return cls(parts[2], parts[3], str(key.get("kty", "")))


def _is_in_use(attributes: Any) -> bool:
    """Whether a key version is enabled and within its dates (KeyAttributes of the REST reference, in Unix seconds)."""
    facts = attributes if isinstance(attributes, dict) else {}
    now = time.time()
    return facts.get("enabled") is True and (facts.get("nbf") or 0) <= now < (facts.get("exp") or float("inf"))


def _kind_of_response(error: Any, *, unwrapping: bool) -> type[KeyServiceError]:
    status = error.status_code
    if status == 403 and _says_disabled(error):  # noqa: PLR2004 - Key Vault refuses disabled keys as forbidden
        return KeyDisabledError
    if status == 400 and unwrapping:  # noqa: PLR2004 - the value does not unwrap
        return KeyMismatchError
    if status >= 500:  # noqa: PLR2004 - RFC 9110 section 15.6
        return KeyUnreachableError
    return STATUSES.get(status, KeyServiceError)


def _says_disabled(error: Any) -> bool:
    facts = getattr(error, "error", None)
    inner = getattr(facts, "innererror", None)
    if isinstance(inner, dict) and inner.get("code") in _DISABLED_CODES:
        return True
    said = str(getattr(facts, "message", "")).lower()
    return any(words in said for words in _DISABLED_WORDS)


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(value: Any) -> bytes:
    """Return the bytes of base64url (RFC 7515 section 2)."""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (TypeError, ValueError, binascii.Error) as exc:
        message = "the answer is not a Key Vault's: the value is not base64url; check endpoint_url"
        raise KeyUnreachableError(message) from exc
