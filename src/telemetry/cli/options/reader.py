"""Defines the options that say who reads the trail, and why; both are recorded in the trail."""

from __future__ import annotations

from typing import Annotated

import typer

_PANEL = "Who reads, and why (recorded in the trail)"

Reader = Annotated[
    str | None,
    typer.Option("--as", help="Name of the reader; default: the user of this system.", rich_help_panel=_PANEL),
]
Reason = Annotated[
    str | None, typer.Option("--reason", help="Reason for reading, such as a ticket number.", rich_help_panel=_PANEL)
]
