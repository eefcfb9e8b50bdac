"""Opens the target that the options describe."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from telemetry.config import StorageConfig
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem
from telemetry.forward.delivery import Target
from telemetry.forward.targets.credentials import Credentials
from telemetry.forward.targets.object_store import ObjectStoreTarget
from telemetry.forward.targets.post import PostClient, TlsFiles
from telemetry.forward.targets.splunk_hec import SplunkHec
from telemetry.forward.targets.web import WebTarget
from telemetry.reader.roster.store import store_at
from telemetry.storage import StorageProviderFactory


class Kind(StrEnum):
    """Kinds of targets.

    Attributes:
        SPLUNK_HEC: Splunk's HTTP Event Collector.
        OTLP: A receiver of OpenTelemetry logs over HTTP.
        HTTP: Any HTTP server.
        S3: Amazon S3, or a store with its protocol.
        STORE: Any store of the library: ``s3://``, ``gs://``, ``az://`` or ``file://``.
    """

    SPLUNK_HEC = "splunk-hec"
    OTLP = "otlp"
    HTTP = "http"
    S3 = "s3"
    STORE = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """What the options say of a target.

    Attributes:
        kind: Its kind.
        url: Its URL.
        token: File with a token, or None.
        header: File with a header, or None.
        tls: PEM files of the connection.
        seconds: Limit of one request.
        lines: ``http``: JSON lines instead of an array.
        index: ``splunk-hec``: index, or None for the token's own.
        source_type: ``splunk-hec``: source type.
        acknowledged: ``splunk-hec``: whether to require the acknowledgement of the indexers.
        ack_seconds: ``splunk-hec``: how long to wait for it.
    """

    kind: Kind
    url: str
    token: Path | None = None
    header: Path | None = None
    tls: TlsFiles = field(default_factory=TlsFiles)
    seconds: float = 30.0
    lines: bool = False
    index: str | None = None
    source_type: str = "telemetry:audit"
    acknowledged: bool = True
    ack_seconds: float = 120.0


def open_target(settings: TargetSettings, *, storage: StorageConfig | None = None) -> Target:
    """Return the target; nothing is sent yet.

    Args:
        settings: What the options say.
        storage: Store of the configuration, whose credentials and endpoint an object store of the same kind uses.

    Raises:
        ConfigurationError: A setting or a file cannot be used.
        MissingExtraError: The library that it needs is not installed.
    """
    kind = settings.kind
    if kind in (Kind.S3, Kind.STORE):
        if settings.token is not None or settings.header is not None:
            remedy = "give the store's credentials in storage_config, or by its own chain"
            raise ConfigurationError(Problem("--token-file", "has no meaning for an object store", remedy))
        config = store_at(settings.url, storage, option="--url")
        if kind is Kind.S3 and config.provider != "aws_s3":
            raise ConfigurationError(
                Problem("--url", "is no s3:// URL", "write s3://BUCKET/PREFIX, or give --to store")
            )
        return ObjectStoreTarget(StorageProviderFactory.create(config))
    if kind is Kind.SPLUNK_HEC and settings.token is None:
        raise ConfigurationError(Problem("--token-file", "is missing", "name the file of the collector's token"))
    client = PostClient(
        settings.url,
        credentials=Credentials(
            token=settings.token, scheme="Splunk" if kind is Kind.SPLUNK_HEC else "Bearer", header=settings.header
        ),
        tls=settings.tls,
        seconds=settings.seconds,
    )
    if kind is Kind.SPLUNK_HEC:
        return SplunkHec(
            client,
            index=settings.index,
            source_type=settings.source_type,
            acknowledged=settings.acknowledged,
            ack_seconds=settings.ack_seconds,
        )
    return _otlp(client) if kind is Kind.OTLP else WebTarget(client, lines=settings.lines)


def _otlp(client: PostClient) -> Target:
    try:
        from telemetry.forward.targets.otlp import OtlpTarget  # noqa: PLC0415 - its library is optional
    except ImportError as exc:
        feature = "telemetry forward --to otlp"
        raise MissingExtraError(feature, "forward") from exc
    return OtlpTarget(client)
