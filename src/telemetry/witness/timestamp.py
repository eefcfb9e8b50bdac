"""Asks a time-stamping authority for tokens on rosters (RFC 3161)."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from telemetry.config.endpoints import checked_url
from telemetry.exceptions import TamperedError, TimestampError
from telemetry.format.roster.roster import MAX_TIMESTAMP_BYTES
from telemetry.reader.roster.timestamp import TimestampRoots, rfc3161

OPTION = "--timestamp-url"

_SECONDS = 15.0


class TimestampAuthority:
    """A time-stamping authority. It learns the SHA-256 of each roster's note and nothing else.

    Args:
        url: Its URL; ``http`` is accepted, since its answer is signed.
        roots: Certificate authorities that have to vouch for its tokens; None leaves that to the verifiers.

    Raises:
        ConfigurationError: The URL cannot be used.
        MissingExtraError: The library that reads tokens is not installed.
    """

    def __init__(self, url: str, *, roots: TimestampRoots | None = None) -> None:
        self._library = rfc3161()
        self._url = checked_url(url, field=OPTION, allow_http=True)
        self._roots = roots

    def stamp(self, text: bytes) -> bytes:
        """Return the authority's answer to a request for a text.

        1. The authority grants a token.
        2. The token is of this text and of this request: its digest and its nonce are those that were sent.
        3. A root vouches for it, if roots were given.

        Raises:
            TimestampError: The authority did not answer, refused, or answered something else.
        """
        builder = self._library.TimestampRequestBuilder()
        request = builder.data(text).hash_algorithm(self._library.HashAlgorithm.SHA256).build()
        answer = self._post(request.as_bytes())
        try:
            # 1.
            response = self._library.decode_timestamp_response(answer)
            if response.status != self._library.PKIStatus.GRANTED:
                message = f"{self._url} refused a time stamp (status {response.status})"
                raise TimestampError(message)
            # 2.
            info = response.tst_info
            if info.message_imprint.message != request.message_imprint.message or info.nonce != request.nonce:
                message = f"{self._url} answered with a time stamp of another request"
                raise TimestampError(message)
            # 3.
            if self._roots is not None:
                self._roots.verify(answer, text)
        except (ValueError, TamperedError) as exc:
            message = f"{self._url} did not answer with a time stamp that can be used: {exc}"
            raise TimestampError(message) from exc
        return answer

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 - the scheme was checked
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
                answer: bytes = response.read(MAX_TIMESTAMP_BYTES + 1)
        except (OSError, urllib.error.URLError, http.client.HTTPException, ValueError) as exc:
            message = f"{self._url} did not answer a request for a time stamp: {exc}; check that it is up and reachable"
            raise TimestampError(message) from exc
        if len(answer) > MAX_TIMESTAMP_BYTES:
            message = f"{self._url} answered with more than {MAX_TIMESTAMP_BYTES} bytes"
            raise TimestampError(message)
        return answer
