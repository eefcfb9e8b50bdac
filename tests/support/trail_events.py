"""Creates events like those of a cloud's audit log: nested, with nulls, errors and many scripts."""

from __future__ import annotations

import random
from typing import Any

_ACTIONS = ("GetObject", "PutObject", "AssumeRole", "DeleteBucket", "ConsoleLogin", "CreateUser", "Decrypt")
_AGENTS = (
    "curl/8.4",
    "Boto3/1.26 Python/3.11",
    "Mozilla/5.0 (X11)",
    "日本語クライアント",
    "agent\twith\ttabs",
    'q"uo\\te',
)
_ERRORS = (None, None, "AccessDenied", "NoSuchBucketPolicy")


def make_events(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Return events; some lack the user's name, as real ones do."""
    dice = random.Random(seed)  # noqa: S311 - test data, no secret
    return [_event(dice, number) for number in range(count)]


def user_of(event: dict[str, Any]) -> str:
    """Return the user under which an event is logged."""
    identity = event["userIdentity"]
    return str(identity.get("arn") or identity.get("principalId") or "unknown")


def _event(dice: random.Random, number: int) -> dict[str, Any]:
    identity: dict[str, Any] = {"type": "IAMUser", "accountId": "123837392027"}
    if number % 29:
        identity["arn"] = f"arn:aws:iam::123837392027:user/user-{dice.randrange(40)}"
    elif number % 2:
        identity["principalId"] = f"AIDA{dice.randrange(5)}"
    return {
        "eventVersion": "1.08",
        "userIdentity": identity,
        "eventName": dice.choice(_ACTIONS),
        "sourceIPAddress": f"10.248.{dice.randrange(256)}.{dice.randrange(256)}",
        "userAgent": dice.choice(_AGENTS),
        "errorCode": dice.choice(_ERRORS),
        "requestParameters": _nested(dice, dice.randrange(4)),
        "responseElements": None,
        "readOnly": dice.random() < 0.5,
        "size": dice.choice((0, -1, 1.5, 2**40, 1e-9)),
        "number": number,
    }


def _nested(dice: random.Random, depth: int) -> Any:
    if depth == 0:
        return dice.choice((None, "", "Grüße", "😀", [], {}, ["a", None, 3]))
    return {f"key-{n}": _nested(dice, depth - 1) for n in range(dice.randrange(1, 4))}
