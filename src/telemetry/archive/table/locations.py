"""Translates between names in a store and the URIs that Iceberg's metadata has for them, which other engines follow."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from telemetry.exceptions import ArchiveStateError
from telemetry.storage import StorageProvider

_SHOWN = 200
_ALIASES = {"s3a": "s3", "s3n": "s3", "abfs": "abfss", "wasb": "abfss", "wasbs": "abfss", "gcs": "gs"}
"""Schemes that Hadoop's clients write for the same objects."""


class Locations:
    """The URIs of a store's objects.

    Args:
        store: The store.

    Attributes:
        root: URI of the place below which all objects are, without a slash at its end.
    """

    def __init__(self, store: StorageProvider) -> None:
        self.root = _root_of(store)
        self._parts = _parts_of(self.root)

    def uri_of(self, name: str) -> str:
        """Return the URI of an object."""
        return f"{self.root}/{name}"

    def name_of(self, uri: str) -> str:
        """Return the name of the object that a URI means.

        Raises:
            ArchiveStateError: It is outside of the store.
        """
        parts = _parts_of(uri)
        name = "/".join(parts[len(self._parts) :])
        if parts[: len(self._parts)] != self._parts or not name or {"", ".", ".."} & set(parts[len(self._parts) :]):
            message = (
                f"the archive's table names {uri[:_SHOWN]!r}, which is not below {self.root!r}: the table belongs to another "
                "place; give the archive a catalog of its own (archive_config.catalog_path), and run telemetry archive seal"
            )
            raise ArchiveStateError(message)
        return name


def _root_of(store: StorageProvider) -> str:
    location = store.location.rstrip("/")
    if location.startswith("file:"):
        # Engines take the path of a file as it is; none decodes it.
        return f"file://{unquote(urlsplit(location).path)}"
    if store.config.provider != "azure_blob":
        return location
    # Engines name blobs by the endpoint of Data Lake Storage, which every account has.
    config = store.config
    prefix = config.prefix.strip("/")
    host = f"abfss://{config.container_name}@{config.account_name}.dfs.core.windows.net"
    return f"{host}/{prefix}" if prefix else host


def _parts_of(uri: str) -> Sequence[str]:
    """Return what is compared: scheme and host as one part, then the parts of the path."""
    scheme, _, rest = uri.partition(":")
    scheme = _ALIASES.get(scheme, scheme)
    if scheme == "file":
        # Hadoop writes file:/folder.
        host, path = "", rest.removeprefix("//")
    else:
        host, _, path = rest.removeprefix("//").partition("/")
        host = host.replace(".blob.core.", ".dfs.core.") if scheme == "abfss" else host
    # The first slash of a path separates; every other one must have a name before it.
    path = path.removeprefix("/")
    return [f"{scheme}://{host}", *path.split("/")] if path else [f"{scheme}://{host}"]
