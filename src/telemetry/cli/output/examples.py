"""Lays out the examples at the end of a command's help."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Return the text that goes below a command's options; each line is one command that a shell can run."""
    title = "Example" if len(lines) == 1 else "Examples"
    return "\n\n".join([f"[bold]{title}[/]", *lines])
