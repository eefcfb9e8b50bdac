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
    AuditConfig,
    EncryptionConfig,
    GatewayConfig,
    GatewayLimits,
    KafkaConfig,
    OutboxConfig,
    SigningConfig,
    StorageConfig,
    TelemetryConfig,
)

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
BEGIN, END = "<!-- tables -->\n", "<!-- end of tables -->\n"
MODELS: tuple[tuple[type[BaseModel], str], ...] = (
    (TelemetryConfig, ""),
    (AuditConfig, "audit_config"),
    (KafkaConfig, "audit_config.kafka_config"),
    (EncryptionConfig, "audit_config.encryption_config"),
    (StorageConfig, "audit_config.storage_config"),
    (SigningConfig, "audit_config.signing_config"),
    (OutboxConfig, "outbox_config"),
    (GatewayConfig, "gateway_config"),
    (GatewayLimits, "gateway_config.limits"),
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
        variable = "TELEMETRY_" + "__".join([*filter(None, path.split(".")), name]).upper()
        yield f"| `{name}` | {_default(field)} | `{variable}` | {meanings[name]} |"
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


def with_tables(page: str) -> str:
    """Return the page with its tables made anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "\n" + tables() + END + tail


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
