"""Reads the names by which the providers themselves write a key or a store: one text becomes the fields of a section."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from telemetry.exceptions import ConfigurationError, Problem

_AWS_KEY = re.compile(
    r"arn:[^:\s]+:kms:[^:\s]+:\d{12}:(?:key|alias)/\S+|alias/\S+|mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_AZURE_KEY = re.compile(r"(https://[^/?#@\s]+)/keys/([^/?#\s]+)(?:/([^/?#\s]+))?/?")
_GCP_KEY = re.compile(r"projects/([^/\s]+)/locations/([^/\s]+)/keyRings/([^/\s]+)/cryptoKeys/([^/\s]+)")
_AZURE_BLOB = ".blob.core.windows.net"


def key_fields(name: str) -> dict[str, str]:
    """Return the fields of ``encryption_config`` that a key's name stands for.

    Args:
        name: ARN, ``alias/NAME`` or key id of AWS KMS; ``https://VAULT/keys/NAME[/VERSION]`` of Azure Key Vault; or
            ``projects/P/locations/L/keyRings/R/cryptoKeys/K`` of Google Cloud KMS.

    Raises:
        ConfigurationError: It is none of these.
    """
    if _AWS_KEY.fullmatch(name):
        return {"provider": "aws_kms", "kms_key_id": name}
    if found := _AZURE_KEY.fullmatch(name):
        vault, key, version = found.groups()
        fields = {"provider": "azure_keyvault", "vault_url": vault, "key_name": key}
        return fields | ({"key_version": version} if version else {})
    if found := _GCP_KEY.fullmatch(name):
        project, location, ring, key = found.groups()
        return {
            "provider": "gcp_kms",
            "project_id": project,
            "location": location,
            "key_ring": ring,
            "gcp_key_name": key,
        }
    remedy = "write an ARN, alias/NAME, https://VAULT/keys/NAME or projects/P/locations/L/keyRings/R/cryptoKeys/K"
    raise ConfigurationError(Problem("", "is not the name of a key", remedy))


def store_fields(url: str) -> dict[str, str]:
    """Return the fields of ``storage_config`` that a URL stands for; without a path in it, the prefix stays as it is.

    Args:
        url: ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX``, ``https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX`` or
            ``file:///FOLDER``.

    Raises:
        ConfigurationError: It is none of these, or has a user, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        host, path = parts.hostname or "", unquote(parts.path)
        is_plain = not (parts.query or parts.fragment or parts.username or parts.password or parts.port)
    except ValueError:  # such as a bracket that is not closed
        is_plain, parts, host, path = False, urlsplit(""), "", ""
    # A shared access signature would be part of a query: it is a secret, and has a field of its own.
    fields = _of_scheme(parts.scheme, parts.netloc, host, path) if is_plain else None
    if fields is None:
        remedy = f"write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, https://ACCOUNT{_AZURE_BLOB}/CONTAINER/PREFIX or file:///FOLDER"
        raise ConfigurationError(Problem("", "is not the URL of a store", remedy))
    return fields


def _of_scheme(scheme: str, netloc: str, host: str, path: str) -> dict[str, str] | None:
    inner = path.strip("/")
    if scheme == "file" and not netloc and path.strip("/"):
        return {"provider": "local_file", "base_path": path}
    # A bucket's name is case-sensitive here, though no provider accepts capitals: the provider says so.
    if scheme == "s3" and netloc:
        return _with_prefix({"provider": "aws_s3", "bucket_name": netloc}, inner)
    if scheme == "gs" and netloc:
        return _with_prefix({"provider": "gcp_storage", "gcp_bucket_name": netloc}, inner)
    container, _, prefix = inner.partition("/")
    if scheme == "https" and host.endswith(_AZURE_BLOB) and container:
        account = host.removesuffix(_AZURE_BLOB)
        return _with_prefix({"provider": "azure_blob", "account_name": account, "container_name": container}, prefix)
    return None


def _with_prefix(fields: dict[str, str], prefix: str) -> dict[str, str]:
    return {**fields, "prefix": prefix} if prefix else fields
