"""Reads what an auditor expects of the seals: a number that must be there, and perhaps its digest."""

from __future__ import annotations

import re
from typing import NamedTuple

from telemetry.exceptions import FormatError

_FORM = re.compile(r"([0-9]{1,8})(?::([0-9a-f]{64}))?", re.ASCII)


class ExpectedSeal(NamedTuple):
    """A seal that must be there.

    Attributes:
        number: Its number.
        digest: SHA-256 of its bytes, in hexadecimal; empty if any content will do.
    """

    number: int
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ExpectedSeal:
        """Read ``NUMBER`` or ``NUMBER:SHA256``.

        Raises:
            FormatError: It is neither.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            message = "an expected seal is NUMBER or NUMBER:SHA256, as `telemetry archive status` prints them"
            raise FormatError(message)
        return cls(int(match[1]), match[2] or "")

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}" if self.digest else str(self.number)
