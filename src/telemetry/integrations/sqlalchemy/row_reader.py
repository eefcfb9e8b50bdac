"""Reads the values of rows inside the transaction that changes them, so that a failed read costs the application nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, and_, or_, select
from sqlalchemy.orm import Mapper

from telemetry.integrations.sqlalchemy.model_rules import ModelRules

Identity = tuple[Any, ...]


@contextmanager
def harmless_read(connection: Connection) -> Iterator[None]:
    """Read inside a savepoint: in most databases a failed statement ends the transaction, and it is the application's."""
    if connection.dialect.name == "sqlite":
        yield  # a failed read changes nothing there
        return
    with connection.begin_nested():
        yield


def read_rows(
    connection: Connection, rules: ModelRules, identities: Sequence[Identity], names: Sequence[str]
) -> Mapping[Identity, Mapping[str, Any]]:
    """Return what the database says of rows, by primary key.

    Args:
        connection: The connection of the transaction.
        rules: Their class.
        identities: Their primary keys.
        names: The attributes to read.
    """
    keys = [attribute(rules.mapper, name) for name in rules.keys]
    wanted = or_(*(and_(*(key == part for key, part in zip(keys, each, strict=True))) for each in identities))
    statement = select(*keys, *(attribute(rules.mapper, name) for name in names)).where(wanted)
    with harmless_read(connection):
        rows = connection.execute(statement).all()
    width = len(keys)
    return {tuple(row[:width]): dict(zip(names, row[width:], strict=True)) for row in rows}


def attribute(mapper: Mapper[Any], name: str) -> Any:
    """Return the attribute of a mapped class, for a statement."""
    return mapper.attrs[name].class_attribute
