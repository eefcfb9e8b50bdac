"""Reads presets: those of this package by name, and files by path."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.ingest.mapping.preset import Preset, extended

MAX_FILE = 1 << 20
"""Bytes of a preset file."""
MAX_EXTENSIONS = 8

_OPTION = "--preset"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_END = ".toml"


def preset_names() -> list[str]:
    """Return the names of the packaged presets, sorted."""
    return sorted(entry.name.removesuffix(_END) for entry in _packaged().iterdir() if entry.name.endswith(_END))


def preset_text(name: str) -> str:
    """Return a packaged preset as it is written.

    Raises:
        ConfigurationError: There is none of this name.
    """
    entry = _packaged() / f"{name}{_END}"
    if not _NAME.fullmatch(name) or not entry.is_file():
        raise ConfigurationError(
            Problem(
                _OPTION,
                f"there is no preset {name!r}",
                f"choose one of {', '.join(preset_names())}, or give ./FILE.toml",
            )
        )
    return entry.read_text("utf-8")


def load_preset(source: str) -> Preset:
    """Return a preset, completed by those that it extends.

    Args:
        source: Name of a packaged preset; or the path of a file, which ends in ``.toml``.

    Raises:
        ConfigurationError: It cannot be read, or is no preset.
    """
    chain: list[Preset] = []
    folder = Path()
    while True:
        text, folder = _read(source, folder)
        chain.append(_parsed(text, source))
        if chain[-1].extends is None:
            break
        if len(chain) > MAX_EXTENSIONS:
            raise ConfigurationError(Problem(_OPTION, f"more than {MAX_EXTENSIONS} presets extend each other"))
        source = chain[-1].extends
    preset = chain.pop()
    while chain:
        preset = extended(preset, chain.pop())
    return preset


def _read(source: str, folder: Path) -> tuple[str, Path]:
    """Return a preset's text, and the folder in which the paths that it names begin."""
    if not source.endswith(_END):
        return preset_text(source), folder
    path = folder / source
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE + 1)
    except OSError as exc:
        raise ConfigurationError(Problem(_OPTION, f"{str(path)!r} cannot be read: {exc.strerror}")) from exc
    if len(content) > MAX_FILE:
        raise ConfigurationError(Problem(_OPTION, f"{str(path)!r} is larger than {MAX_FILE} bytes"))
    try:
        return content.decode(), path.parent
    except UnicodeDecodeError as exc:
        raise ConfigurationError(Problem(_OPTION, f"{str(path)!r} is not UTF-8")) from exc


def _parsed(text: str, source: str) -> Preset:
    try:
        return msgspec.convert(tomllib.loads(text), Preset)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as exc:
        raise ConfigurationError(Problem(_OPTION, f"{source!r} is no preset: {exc}")) from exc


def _packaged() -> Traversable:
    return files("telemetry.ingest") / "presets"
