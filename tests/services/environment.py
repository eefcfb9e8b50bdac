"""Removes credentials, proxies and foreign CA bundles from the environment of the tests."""

from __future__ import annotations

import os

# Kept for the package managers that fetch the services: they may need the machine's proxies and certificates.
ORIGINAL = dict(os.environ)

_REMOVED = frozenset(
    {
        "CURL_CA_BUNDLE",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "PYTHONWARNINGS",
        "IDENTITY_ENDPOINT",
        "MSI_ENDPOINT",
        "GCE_METADATA_IP",
        "GCE_METADATA_ROOT",
    }
)
_REMOVED_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "BOTO_", "TELEMETRY_", "OTEL_")
_DUMMIES = {
    "AWS_ACCESS_KEY_ID": "test-access-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret-key",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # A client that asks the metadata service of a cloud is refused at once on this machine.
    "GCE_METADATA_HOST": "127.0.0.1:9",
    "NO_GCE_CHECK": "true",
}


def scrub() -> None:
    """Remove what could disturb a test or leave the machine, and set dummy credentials. Child processes inherit it."""
    for name in list(os.environ):
        if name.upper() in _REMOVED or name.upper().startswith(_REMOVED_PREFIXES):
            del os.environ[name]
    os.environ.update(_DUMMIES)


def for_service() -> dict[str, str]:
    """Return the few variables that a server started by the tests needs."""
    wanted = ("PATH", "HOME", "JAVA_HOME", "LANG", "TMPDIR")
    return {name: ORIGINAL[name] for name in wanted if name in ORIGINAL}
