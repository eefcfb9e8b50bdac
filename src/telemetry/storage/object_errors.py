"""Translates obstore's exceptions into ours, without the URLs and texts that may contain a signature."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from telemetry.exceptions import (
    ConfigurationError,
    Problem,
    StorageAccessDeniedError,
    StorageConflictError,
    StorageCredentialsError,
    StorageError,
    StorageFullError,
    StorageLimitError,
    StorageNotFoundError,
    StorageUnreachableError,
)

Store = TypeVar("Store")

_STATUS = re.compile(r"(?:status code: |\(code: )([1-5][0-9]{2})\b")
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>|\"reason\": ?\"([A-Za-z]{1,64})\"")
_QUERY = re.compile(r"(https?://[^\s\"'<>)?]+)\?[^\s\"'<>)]+")
_ANSWER = re.compile(r"\n\nDebug source:|<\?xml|<[A-Za-z]|\{\s*\"")
_HEADER = re.compile(r"(?i)(authorization|x-amz-security-token|bearer)\S*\s+\S+(?:\s+\S+)?")
_SHOWN = 600

_Kind = tuple[type[StorageError], str]

KINDS: dict[str, _Kind] = {
    "FileNotFoundError": (StorageNotFoundError, "there is no such object, bucket or container"),
    "NotFoundError": (StorageNotFoundError, "there is no such object, bucket or container"),
    "AlreadyExistsError": (StorageConflictError, "the object exists already"),
    "PreconditionError": (StorageConflictError, "the object exists already"),
    "NotModifiedError": (StorageError, "the store answered another request than the one that was sent"),
    "PermissionDeniedError": (StorageAccessDeniedError, "the credentials do not permit it"),
    "UnauthenticatedError": (StorageCredentialsError, "the credentials are not accepted"),
    "InvalidPathError": (StorageLimitError, "an object's name has an empty or a dot part"),
    "NotSupportedError": (
        StorageLimitError,
        "the store has no conditional writes, which create an object only if it is absent",
    ),
    "UnknownConfigurationKeyError": (StorageLimitError, "obstore is too old for this library"),
    "JoinError": (StorageError, "the store's client failed internally"),
    "GenericError": (StorageUnreachableError, "the store did not answer"),
    "BaseError": (StorageError, "the store failed"),
    "ValueError": (StorageLimitError, "the name cannot be used"),
    "OSError": (StorageUnreachableError, "the store did not answer"),
}
"""Class name -> our class and the reason; by name, so that this module can be imported without obstore."""

_UNAUTHENTICATED = 401
_DENIED = (_UNAUTHENTICATED, 403)
_CODES: dict[str, _Kind] = {
    "QuotaExceeded": (StorageFullError, "the quota is used up"),
    "XMinioStorageFull": (StorageFullError, "the disk is full"),
    "InsufficientStorage": (StorageFullError, "the disk is full"),
    "PermanentRedirect": (StorageAccessDeniedError, "the bucket is in another region: set aws_region"),
    "AuthorizationHeaderMalformed": (StorageAccessDeniedError, "the bucket is in another region: set aws_region"),
    "RequestTimeTooSkewed": (StorageAccessDeniedError, "this machine's clock is wrong"),
    "NoSuchBucket": (StorageNotFoundError, "there is no such bucket"),
    "ContainerNotFound": (StorageNotFoundError, "there is no such container"),
    "InvalidBucketName": (StorageNotFoundError, "this is not a valid bucket name"),
    "AuthenticationFailed": (StorageCredentialsError, "the credentials are not accepted"),
    "ExpiredToken": (StorageCredentialsError, "the credentials have expired"),
    "InvalidAccessKeyId": (StorageCredentialsError, "the credentials are not known"),
    "InvalidAuthenticationInfo": (StorageCredentialsError, "the credentials have expired or are malformed"),
    "InvalidToken": (StorageCredentialsError, "the credentials are not accepted"),
    "TokenRefreshRequired": (StorageCredentialsError, "the credentials have expired"),
    "ObjectLocked": (StorageAccessDeniedError, "a retention rule protects the object"),
    "BlobImmutableDueToPolicy": (StorageAccessDeniedError, "an immutability policy protects the object"),
}
_CONNECTION = (
    ("UnknownIssuer", "the endpoint's certificate is from an unknown authority: set ca_path"),
    ("NotValidForName", "the endpoint's certificate is for another host name: correct endpoint_url"),
    ("Expired", "the endpoint's certificate has expired, or this machine's clock is wrong"),
    ("InvalidCertificate", "the endpoint's certificate is not valid"),
    ("InvalidContentType", "the endpoint does not speak TLS: correct endpoint_url"),
    ("ConnectionRefused", "nothing listens at the endpoint"),
    ("dns error", "the endpoint's host name cannot be resolved"),
    ("TimedOut", "the store did not answer in time"),
)
_STATUSES: dict[int, _Kind] = {
    301: (StorageAccessDeniedError, "the bucket is in another region: set aws_region"),
    400: (StorageError, "the store calls the request malformed"),
    413: (StorageLimitError, "the object is too large for the store"),
    429: (StorageUnreachableError, "the store limits the request rate"),
    503: (StorageUnreachableError, "the store is overloaded or limits the request rate"),
    507: (StorageFullError, "the disk is full"),
}


_NONE = "no credentials could be obtained"
_RENEW = "renew the credentials; those of a file, a role or a token are read again at the next call, others at the next start"


def concerns_credentials(error: StorageError) -> bool:
    """Return whether other credentials may help: these were refused, or there were none."""
    return isinstance(error, StorageCredentialsError) or _NONE in str(error)


def is_store_failure(exc: BaseException) -> bool:
    """Return whether obstore raised ``exc``; a panic of its Rust code is not even an ``Exception``."""
    return isinstance(exc, (OSError, ValueError)) or _is_a(exc, "BaseError", "PanicException")


def translate(exc: BaseException, *, doing: str, remedy: str) -> StorageError:
    """Return our own error for one of obstore's.

    Args:
        exc: The exception that obstore raised.
        doing: Description of the operation, with the object and the store.
        remedy: Advice for denied access: the permission that is needed.
    """
    text = str(exc)
    status, code = _status(text), _code(text)
    kind, reason = _explain(exc, text, status, code)
    details = ", ".join(part for part in (code, f"HTTP {status}" if status else "") if part)
    message = f"{doing} failed: {reason}{f' ({details})' if details else ''}"
    if issubclass(kind, StorageCredentialsError):
        message += f"; {_RENEW}"
    elif issubclass(kind, StorageAccessDeniedError):
        message += f"; {remedy}"
    return kind(message)


def redacted(exc: BaseException) -> BaseException:
    """Return an exception of the same class, without what may be secret.

    These are query strings, tokens, the client's debug output, and the store's answer, which may repeat the request.
    """
    # A shared access signature is in the query; the answer's text begins where obstore appends it.
    text = _QUERY.sub(r"\1?...", _ANSWER.split(str(exc), maxsplit=1)[0])
    text = _HEADER.sub(r"\1 ...", text)[:_SHOWN]
    kind = type(exc) if isinstance(exc, Exception) else RuntimeError
    return kind(text)


def create_store(create: Callable[[], Store]) -> Store:
    """Create a store's client; an error of obstore in its settings becomes a ``ConfigurationError``."""
    try:
        return create()
    except ConfigurationError:
        raise
    except BaseException as exc:
        if not is_store_failure(exc):
            raise
        failure = exc
    reason = str(redacted(failure))
    raise ConfigurationError(Problem("", f"the store cannot be set up: {reason}", "check its fields"))


def _explain(exc: BaseException, text: str, status: int | None, code: str) -> _Kind:
    # From the most to the least specific: the store's own code, the kind of obstore's exception, the HTTP status.
    if code in _CODES:
        return _CODES[code]
    if _is_a(exc, "UnauthenticatedError") and status is None:
        return StorageUnreachableError, _NONE
    if not _is_a(exc, "GenericError"):
        return _kind(exc)
    if status is None:
        # No answer at all: only the text says what went wrong on the way to the store.
        reasons = (reason for sign, reason in _CONNECTION if sign in text)
        return StorageUnreachableError, next(reasons, "the store did not answer")
    if status in _DENIED:
        kind = StorageCredentialsError if status == _UNAUTHENTICATED else StorageAccessDeniedError
        return kind, "the credentials are not accepted"
    return _STATUSES.get(status, (StorageError, "the store refused"))


def _kind(exc: BaseException) -> _Kind:
    names = [known.__name__ for known in type(exc).__mro__]
    return next(
        (KINDS[name] for name in names if name in KINDS), (StorageError, "the store's client failed internally")
    )


def _is_a(exc: BaseException, *names: str) -> bool:
    return any(known.__name__ in names for known in type(exc).__mro__)


def _status(text: str) -> int | None:
    match = _STATUS.search(text)
    return int(match[1]) if match else None


def _code(text: str) -> str:
    match = _CODE.search(text)
    return (match[1] or match[2]) if match else ""
