"""Completes the further keys that a configuration lists, earlier ones and recipients, from the key of the same provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from telemetry.config.builtins import ENCRYPTION
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.value.recipients import MAX_RECIPIENTS

MAX_PREVIOUS_KEYS = 32
"""Each may cost a call of its key service, and a trail that outlives 32 keys is better split into two."""
_LIMITS = {"previous_keys": MAX_PREVIOUS_KEYS, "recipients": MAX_RECIPIENTS}

# A key that names one field of a group uses nothing of the current key's: half of two credentials is none.
_GROUPS = (
    frozenset(("aws_profile", "aws_access_key_id", "aws_secret_access_key", "aws_session_token")),
    frozenset(("azure_tenant_id", "azure_client_id", "azure_client_secret")),
)
_FILE = "_file"
_OF_THE_CURRENT_KEY_ALONE = frozenset((*_LIMITS, "key_version", "public_key", "writer_only"))
_OF_A_REGION = frozenset(("aws_region", "endpoint_url"))
_ARN_REGION = 3


def with_further_keys(values: Any, base: type[Any]) -> Any:
    """Return the values in which every entry of ``previous_keys`` and ``recipients`` is a configuration of its own.

    An entry of the current provider needs only what differs: ``{"kms_key_id": "arn:..."}`` has region and credentials
    of the current key.

    Args:
        values: What the configuration was created with.
        base: Configuration class of the built-in providers.

    Raises:
        ConfigurationError: An entry cannot work.
    """
    if not isinstance(values, Mapping):
        return values
    completed = {}
    for field, limit in _LIMITS.items():
        listed = values.get(field)
        if not listed or not isinstance(listed, Iterable) or isinstance(listed, (str, bytes, Mapping)):
            continue
        entries = list(listed)
        if len(entries) > limit:
            raise ConfigurationError(Problem(field, f"has more than {limit} keys", "remove those not needed"))
        completed[field] = tuple(
            _complete(entry, f"{field}.{place}", values, base) for place, entry in enumerate(entries)
        )
    return {**values, **completed}


def _complete(entry: Any, path: str, current: Mapping[str, Any], base: type[Any]) -> Any:
    if isinstance(entry, Mapping):
        provider = str(entry.get("provider", current.get("provider", "")))
        inherited = _inherited(entry, current) if provider == current.get("provider") else {}
        try:
            entry = ENCRYPTION.config_class(provider, base)(**{**inherited, **entry, "provider": provider})
        except ConfigurationError as exc:
            below = (Problem(f"{path}.{each.field}", each.reason, each.remedy) for each in exc.problems)
            raise ConfigurationError(*below) from exc
    own = [field for field in _LIMITS if getattr(entry, field, ())]
    if own:
        raise ConfigurationError(Problem(path, f"has {own[0]} of its own", "list all of them in one list"))
    return entry


def _inherited(entry: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry has from the current key: every field that it does not name itself."""
    named = set(entry)
    absent = set(_OF_THE_CURRENT_KEY_ALONE)
    absent.update(*(group for group in _GROUPS if named & group))
    # A secret is given as text or as a file; one of them replaces both.
    absent.update(name + _FILE for name in named)
    absent.update(name.removesuffix(_FILE) for name in named if name.endswith(_FILE))
    if str(entry.get("kms_key_id", "")).startswith("arn:"):
        absent.update(_OF_A_REGION if _is_elsewhere(entry, current) else {"aws_region"})
    return {name: value for name, value in current.items() if name not in absent}


def _is_elsewhere(entry: Mapping[str, Any], current: Mapping[str, Any]) -> bool:
    """Whether the ARN of an entry names another region than that of the current key."""
    ours = current.get("aws_region") or _region_of(str(current.get("kms_key_id", "")))
    return ours not in ("", _region_of(str(entry["kms_key_id"])))


def _region_of(arn: str) -> str:
    parts = arn.split(":")
    return parts[_ARN_REGION] if len(parts) > _ARN_REGION else ""
