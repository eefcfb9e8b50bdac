"""Creates containers in the emulator of Azure Blob Storage, because obstore creates none."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import http.client
import uuid
from typing import Any
from urllib.parse import urlencode, urlsplit

from telemetry.config import StorageConfig
from tests.services.azurite import BlobService

_VERSION = "2021-12-02"
_EXPIRY = "2099-01-01T00:00:00Z"
_CREATED = 201


def blob_config(service: BlobService, **fields: Any) -> StorageConfig:
    """Return the configuration of an ``azure_blob`` store in a new container."""
    container = f"audit-{uuid.uuid4().hex}"
    make_container(service, container)
    values: dict[str, Any] = {
        "provider": "azure_blob",
        "account_name": service.account_name,
        "container_name": container,
        "azure_account_key": service.account_key,
        "endpoint_url": service.endpoint,
        "allow_http": True,
    }
    return StorageConfig(**{**values, **fields})


def make_container(service: BlobService, name: str) -> None:
    """Create a container, by a request signed as learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key says."""
    endpoint = urlsplit(service.endpoint)
    path = f"{endpoint.path}/{name}"
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": _VERSION}
    signed = "PUT" + "\n" * 12
    signed += "".join(f"{header}:{text}\n" for header, text in sorted(headers.items()))
    signed += f"/{service.account_name}{path}\nrestype:container"
    key = base64.b64decode(service.account_key)
    signature = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
    headers["Authorization"] = f"SharedKey {service.account_name}:{signature}"
    connection = http.client.HTTPConnection(endpoint.hostname or "", endpoint.port, timeout=20.0)
    try:
        connection.request("PUT", f"{path}?restype=container", headers={**headers, "Content-Length": "0"})
        answer = connection.getresponse()
        reason = answer.read()
    finally:
        connection.close()
    if answer.status != _CREATED:
        message = f"Azurite refused to create the container {name}: {answer.status} {reason[:300]!r}"
        raise RuntimeError(message)


def shared_access_signature(service: BlobService, container: str, *, permissions: str) -> str:
    """Return a token for a container, as learn.microsoft.com/rest/api/storageservices/create-service-sas says."""
    resource = f"/blob/{service.account_name}/{container}"
    parts = (permissions, "", _EXPIRY, resource, "", "", "", _VERSION, "c", "", "", "", "", "", "", "")
    key = base64.b64decode(service.account_key)
    signature = base64.b64encode(hmac.digest(key, "\n".join(parts).encode(), hashlib.sha256)).decode()
    return urlencode({"sv": _VERSION, "sr": "c", "sp": permissions, "se": _EXPIRY, "sig": signature})
