"""Writes the queries of a search: texts of this package alone, with numbered places for every value."""

from __future__ import annotations

ROWS = "read_parquet($1, filename = true, file_row_number = true)"
"""The rows of the files that ``$1`` names, each with its file and its number in it."""


def select(columns: str, *, where: str = "", rest: str = "") -> str:
    """Return a query over the rows of some files.

    Args:
        columns: What is selected, from this package.
        where: Conditions, from this package, with places for values.
        rest: Grouping, order and limit, from this package.
    """
    parts = [f"SELECT {columns} FROM {ROWS}", f"WHERE {where}" if where else "", rest]  # noqa: S608 - no text of a user or a file
    return " ".join(part for part in parts if part)


def places(count: int, *, first: int = 2) -> str:
    """Return numbered places, separated by commas.

    Args:
        count: How many.
        first: Number of the first.
    """
    return ", ".join(f"${number}" for number in range(first, first + count))
