"""Keeps the one KMS key that a configuration names: by id, by ARN, or by an alias that is resolved once."""

from __future__ import annotations

import re
import threading
from typing import NamedTuple

SCHEME = "aws-kms://"
_ARN = re.compile(r"arn:(aws[a-z0-9-]*):kms:([a-z0-9-]+):([0-9]{12}):(key|alias)/([A-Za-z0-9/_-]{1,256})")
_ID = re.compile(r"[A-Za-z0-9-]{1,256}")
_ALIAS = re.compile(r"alias/[A-Za-z0-9/_-]{1,250}")
_MULTI_REGION = "mrk-"


class Arn(NamedTuple):
    """An Amazon resource name of a KMS key or alias."""

    partition: str
    region: str
    account: str
    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """Return the ARN, or None if the text is not one of KMS."""
        match = _ARN.fullmatch(text)
        return cls(*match.groups()) if match else None

    @classmethod
    def of_key(cls, text: str) -> Arn | None:
        """Return the ARN of a key, or None if the text is not one."""
        arn = cls.parse(text)
        return arn if arn is not None and arn.kind == "key" else None

    def is_same_key(self, other: Arn) -> bool:
        """Whether both are one key, or replicas of one multi-Region key."""
        if self.name.startswith(_MULTI_REGION):
            return self._replace(region=other.region) == other
        return self == other

    def is_near(self, other: Arn) -> bool:
        """Whether both are of one account and region; a multi-Region key has replicas in others."""
        if self.name.startswith(_MULTI_REGION):
            return (self.partition, self.account) == (other.partition, other.account)
        return self[:3] == other[:3]

    def __str__(self) -> str:
        return f"arn:{self.partition}:kms:{self.region}:{self.account}:{self.kind}/{self.name}"


class AwsKey:
    """The configured key. The first answer of KMS says which key an alias or a bare id is; later answers are compared.

    Args:
        text: Key id, key ARN, alias name or alias ARN.

    Attributes:
        text: As given.
        region: Region in an ARN; None otherwise.
        is_alias: Whether the key is named by an alias, which its owner can move.
        is_well_formed: Whether the text names a key at all.
    """

    def __init__(self, text: str) -> None:
        given = Arn.parse(text)
        self.text = text
        self.region = given.region if given else None
        self.is_alias = given.kind == "alias" if given else _ALIAS.fullmatch(text) is not None
        self.is_well_formed = given is not None or self.is_alias or _ID.fullmatch(text) is not None
        self._given = given
        self._lock = threading.Lock()
        self._resolved = given if given and given.kind == "key" else None

    @property
    def asked(self) -> str:
        """Name of the key in a request: its ARN as soon as it is known, so that a moved alias changes nothing."""
        return self.text if self._resolved is None else str(self._resolved)

    def may_be(self, arn: Arn) -> bool:
        """Whether a record may name the key; of an alias that is not resolved yet nothing but the place is known."""
        if self._resolved is not None:
            return arn.is_same_key(self._resolved)
        if not self.is_alias:
            return arn.name == self.text
        return self._given is None or arn.is_near(self._given)

    def is_moved(self, answered: str) -> bool:
        """Whether the alias, in an answer to a request by it, is now another key than it was at first."""
        arn = Arn.of_key(answered)
        return self.is_alias and arn is not None and self._resolved is not None and not self.may_be(arn)

    def resolve(self, answered: str) -> Arn | None:
        """Return the key in an answer if it is the configured one; the first answer decides which one that is."""
        arn = Arn.of_key(answered)
        with self._lock:
            if arn is None or not self.may_be(arn):
                return None
            if self._resolved is None:
                self._resolved = arn
            return arn

    def __str__(self) -> str:
        return f"{self.text} ({self._resolved})" if self.is_alias and self._resolved else self.text
