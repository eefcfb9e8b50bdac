"""Sends requests to the HTTP server of a target: TLS is verified, answers are bounded, redirects are not followed."""

from __future__ import annotations

import gzip
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from telemetry.config.endpoints import checked_url, is_this_machine, require_certificates, require_sound_tls
from telemetry.config.secret_files import require_unchangeable
from telemetry.exceptions import (
    ConfigurationError,
    MissingExtraError,
    Problem,
    TargetAwayError,
    TargetRefusedError,
)
from telemetry.forward.delivery import BatchRefusedError
from telemetry.forward.targets.credentials import Credentials
from telemetry.system.deadline import Deadline

try:
    import urllib3
except ImportError:  # the extra is not installed: said when a target is opened
    urllib3 = None  # type: ignore[assignment]

_MAX_ANSWER = 1 << 20
_PIECE = 1 << 16
_LONGEST_WAIT = 3_600.0
_CONNECT_SECONDS = 10.0
_GZIP_LEVEL = 6
_AWAY = frozenset((408, 425, 429))
_OF_CONTENT = frozenset((400, 413, 422))
_OK, _REFUSED, _FAULT = 200, 300, 500


class Answer(NamedTuple):
    """An answer of a target.

    Attributes:
        status: Status code.
        body: At most 1 MiB.
        retry_after: Seconds after which the target wants to be asked again, or None.
    """

    status: int
    body: bytes
    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The PEM files of a connection.

    Attributes:
        authorities: Authorities that are trusted instead of the system's.
        certificate: Certificate of this client.
        key: Its private key.
    """

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class PostClient:
    """Posts bodies to one server, over a connection that is kept.

    Attributes:
        url: Where it posts to.
        origin: The server, for messages.

    Args:
        url: Where to post to; ``http`` only on this machine.
        credentials: Headers that identify the sender; read again when they are refused.
        tls: Files of the connection.
        seconds: Limit for one request.

    Raises:
        ConfigurationError: URL, credentials or a file cannot be used.
        MissingExtraError: The library is not installed.
    """

    def __init__(self, url: str, *, credentials: Credentials, tls: TlsFiles, seconds: float) -> None:
        if urllib3 is None:
            feature = "telemetry forward"
            raise MissingExtraError(feature, "forward")
        self.url = checked_url(
            url,
            field="--url",
            allow_http=is_this_machine(url),
            no_tls="would send events in the clear",
        )
        parts = urlsplit(self.url)
        # A path can be a secret, as of a webhook: messages name the server alone.
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._seconds = seconds
        self._credentials = credentials
        self._timeout = urllib3.Timeout(connect=min(seconds, _CONNECT_SECONDS), read=seconds)
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=1, ssl_context=_context(tls), retries=False, timeout=self._timeout
        )

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, packed: bool = True) -> Answer:
        """Post a body, compressed with gzip, and return the answer, whatever its status is.

        Args:
            path: What follows the URL.
            body: The body.
            headers: Headers beside those of the credentials.
            packed: Whether to compress the body.

        Raises:
            TargetAwayError: There is no answer.
        """
        sent = {"Accept-Encoding": "identity", "User-Agent": "telemetry-audit", **headers}
        if packed:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            sent["Content-Encoding"] = "gzip"
        answer = self._request(path, body, sent)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and self._credentials.renew():
            answer = self._request(path, body, sent)
        return answer

    def close(self) -> None:
        """Drop the connection."""
        self._pool.clear()

    def _request(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            response: Any = self._pool.request(
                "POST",
                self.url + path,
                body=body,
                headers={**headers, **self._credentials.headers()},
                redirect=False,
                preload_content=False,
            )
            try:
                content, is_whole = _content(response, Deadline(self._seconds))
            finally:
                if not response.isclosed():
                    response.close()
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
            # Only the kind of the error: texts of libraries may quote headers, and with them a token.
            message = f"{self.origin} did not answer: {_cause(exc)}; check that it is up and reachable"
            raise TargetAwayError(message) from None
        if not is_whole:
            message = f"{self.origin} answered with more than {_MAX_ANSWER} bytes, or took longer than {self._seconds:g} s for it"
            raise TargetAwayError(message)
        return Answer(response.status, content, _retry_after(response.headers.get("Retry-After")))


def _content(response: Any, deadline: Deadline) -> tuple[bytes, bool]:
    """Return the body of an answer, and whether it is whole: it ended before it became too long or took too long."""
    pieces: list[bytes] = []
    size = 0
    while size <= _MAX_ANSWER and not deadline.is_over:
        piece: bytes = response.read1(_PIECE, decode_content=False)
        if not piece:
            return b"".join(pieces), True
        pieces.append(piece)
        size += len(piece)
    return b"", False


def require_accepted(answer: Answer, *, url: str) -> None:
    """Return for an answer of success.

    Raises:
        TargetAwayError: The target has a fault, or asks to wait.
        BatchRefusedError: It refuses what was sent.
        TargetRefusedError: It refuses whatever is sent.
    """
    status = answer.status
    if _OK <= status < _REFUSED:
        return
    if status in _AWAY or status >= _FAULT:
        message = f"{url} answered {_named(status)}"
        raise TargetAwayError(message, retry_after=answer.retry_after)
    if status in _OF_CONTENT:
        raise BatchRefusedError(_named(status))
    message = f"{url} refuses everything: {_named(status)}; check the URL, the token and the target's settings"
    raise TargetRefusedError(message)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _cause(error: Exception) -> str:
    # NewConnectionError and others keep what the system said; certificates are what people must correct most often.
    for each in (error, getattr(error, "reason", None), error.__cause__, error.__context__):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate cannot be verified ({each.verify_message})"
        if isinstance(each, ssl.SSLError):
            return f"TLS failed ({each.reason})"
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return type(error).__name__


def _retry_after(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 section 10.2.3), at most an hour; None for anything else."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()
    # A comparison with NaN is false.
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds >= 0 else None


def _context(tls: TlsFiles) -> ssl.SSLContext:
    require_sound_tls()
    if tls.authorities is not None:
        require_certificates(tls.authorities, field="--target-ca")
    context = ssl.create_default_context(cafile=tls.authorities and tls.authorities.expanduser())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if (tls.certificate is None) != (tls.key is None):
        absent = "--target-key" if tls.key is None else "--target-cert"
        raise ConfigurationError(Problem(absent, "is needed beside the other one", "give both"))
    if tls.certificate is not None and tls.key is not None:
        require_unchangeable(tls.key, field="--target-key")
        require_unchangeable(tls.certificate, field="--target-cert")
        try:
            context.load_cert_chain(tls.certificate.expanduser(), tls.key.expanduser(), password=_no_password)
        except (OSError, ValueError) as exc:
            reason = "and --target-key are no certificate with its private key in PEM without a passphrase"
            raise ConfigurationError(Problem("--target-cert", reason, "name both files")) from exc
    return context


def _no_password() -> str:
    # Without this, OpenSSL would ask on the terminal.
    message = "the key has a passphrase"
    raise ValueError(message)
