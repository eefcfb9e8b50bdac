"""Writes the tables of docs/configuration.md from the models: ``python -m tests.docs.configuration_tables``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from telemetry.config import (
    ArchiveConfig,
    AuditConfig,
    EncryptionConfig,
    ExplorerConfig,
    GatewayConfig,
    GatewayLimits,
    GrantsConfig,
    KafkaConfig,
    OidcConfig,
    OtlpConfig,
    OutboxConfig,
    ProxyIdentityConfig,
    SharedStreamsConfig,
    SigningConfig,
    StorageConfig,
    SubjectKeysConfig,
    TelemetryConfig,
)
from telemetry.config.loading.short_variables import SHORT_VARIABLES, long_name
from telemetry.config.loading.variable_names import short_name

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
BEGIN, END = "<!-- tables -->\n", "<!-- end of tables -->\n"
SHORT_BEGIN, SHORT_END = "<!-- short variables -->\n", "<!-- end of short variables -->\n"
MODELS: tuple[tuple[type[BaseModel], str], ...] = (
    (TelemetryConfig, ""),
    (AuditConfig, "audit_config"),
    (KafkaConfig, "audit_config.kafka_config"),
    (EncryptionConfig, "audit_config.encryption_config"),
    (StorageConfig, "audit_config.storage_config"),
    (SigningConfig, "audit_config.signing_config"),
    (SharedStreamsConfig, "audit_config.shared_streams"),
    (SubjectKeysConfig, "audit_config.subject_keys"),
    (OutboxConfig, "outbox_config"),
    (GatewayConfig, "gateway_config"),
    (GatewayLimits, "gateway_config.limits"),
    (OtlpConfig, "gateway_config.otlp"),
    (ExplorerConfig, "explorer_config"),
    (OidcConfig, "explorer_config.oidc"),
    (ProxyIdentityConfig, "explorer_config.proxy"),
    (GrantsConfig, "explorer_config.oidc.grants"),
    (ArchiveConfig, "archive_config"),
)


def tables() -> str:
    """Return a table for each class: field, default, environment variable, meaning."""
    return "\n".join("\n".join(_table(model, path)) for model, path in MODELS) + "\n"


def _table(model: type[BaseModel], path: str) -> Iterator[str]:
    yield f"### {model.__name__}\n"
    yield "| field | default | environment variable | meaning |"
    yield "| --- | --- | --- | --- |"
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        place = (*filter(None, path.split(".")), name)
        variables = " or ".join(f"`{each}`" for each in dict.fromkeys((short_name(place), long_name(place))) if each)
        yield f"| `{name}` | {_default(field)} | {variables} | {meanings[name]} |"
    yield ""


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "empty" if field.default_factory is dict else "see there"
    if field.default is None:
        return "none"
    return f"`{field.default!r}`" if field.default is not PydanticUndefined else "required"


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    # CPython 3.13 removes the common indentation of docstrings; here every version sees that form.
    text = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", text, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", meaning).replace("``", "`").replace("|", "\\|") for name, meaning in entries}


def short_variables() -> str:
    """Return the table of the short variables: name, what it stands for, example."""
    lines = ["| variable | stands for | example |", "| --- | --- | --- |"]
    for variable in SHORT_VARIABLES:
        field = f"`{'.'.join(variable.paths[0])}`" if variable.read is None else variable.meaning
        lines.append(f"| `{variable.name}` | {field} | {f'`{variable.example}`' if variable.example else ''} |")
    return "\n".join(lines) + "\n"


def with_tables(page: str) -> str:
    """Return the page with its tables made anew."""
    page = _replaced(page, SHORT_BEGIN, f"\n{short_variables()}\n", SHORT_END)
    return _replaced(page, BEGIN, f"\n{tables()}", END)


def _replaced(page: str, begin: str, content: str, end: str) -> str:
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    return head + begin + content + end + tail


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
