"""Defines the options that say what the lines of a foreign log look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.output.console import write_line
from telemetry.exceptions import ConfigurationError, Problem

if TYPE_CHECKING:
    from telemetry.ingest.mapping.line_mapping import LineMapping
    from telemetry.ingest.mapping.preset import Preset

_PANEL = "What the lines look like"


def _option(*names: str, help_text: str) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=_PANEL)


_OPTIONS: dict[str, Any] = {
    "preset": Annotated[
        str | None,
        _option(
            "--preset",
            help_text="How the log of a maker becomes events: a name of --list-presets, or a file ./NAME.toml.",
        ),
    ],
    "list_presets": Annotated[
        bool | None, _option("--list-presets", help_text="Print the names of the presets, and what each is for.")
    ],
    "show_preset": Annotated[
        str | None, _option("--show-preset", help_text="Print the preset of this name, to copy and change it.")
    ],
    "event_type_field": Annotated[
        str | None,
        _option("--event-type-field", help_text="Path of the event type, such as eventName; default: event_type."),
    ],
    "user_id_field": Annotated[
        str | None,
        _option(
            "--user-id-field",
            help_text="Path of the user id; the first of several, separated by commas, that has one wins; default: user_id.",
        ),
    ],
    "payload_field": Annotated[
        str | None, _option("--payload-field", help_text="Path of the payload; default: the whole line.")
    ],
    "time_field": Annotated[
        str | None, _option("--time-field", help_text="Path of the time when it happened; it becomes occurred_at.")
    ],
    "time_zone": Annotated[
        str | None, _option("--time-zone", help_text="Zone of times that name none: UTC, or an offset such as +02:00.")
    ],
    "id_field": Annotated[
        str | None,
        _option(
            "--id-field",
            help_text="Path of an id that is the same when the line is logged again: readers show it once.",
        ),
    ],
    "event_type": Annotated[str | None, _option("--event-type", help_text="Event type for lines without one.")],
    "user_id": Annotated[
        str | None,
        _option("--user-id", help_text="User id for lines without one; anonymous says that nobody was signed in."),
    ],
    "field": Annotated[
        list[str] | None,
        _option(
            "--field",
            help_text="NAME=PATH: a further field, such as ip_address=sourceIPAddress; other names become metadata. Repeatable.",
        ),
    ],
    "set": Annotated[
        list[str] | None,
        _option(
            "--set", help_text="NAME=VALUE: a field that is the same in every event, such as source=okta. Repeatable."
        ),
    ],
    "outcome_map": Annotated[
        list[str] | None,
        _option(
            "--outcome-map",
            help_text="OUTCOME=WORD,...: words and codes for success, failure or denied, such as denied=DENY,403. Repeatable.",
        ),
    ],
}


_PATH_OPTIONS = {
    "event_type": "event_type_field",
    "user_id": "user_id_field",
    "payload": "payload_field",
    "occurred_at": "time_field",
    "idempotency_key": "id_field",
}
"""The fields whose paths have options of their own."""


class MappingOptions:
    """The mapping options as a bundle: a command gets the mapping of its lines."""

    parameter = "mapping"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(
        {name: (annotation, None) for name, annotation in _OPTIONS.items()}
    )

    def build(self, values: Mapping[str, Any]) -> LineMapping:
        """Return the mapping.

        Raises:
            ConfigurationError: An option cannot be used.
        """
        from telemetry.ingest.mapping.line_mapping import PLAIN, LineMapping  # noqa: PLC0415 - help needs no mapping
        from telemetry.ingest.mapping.preset import extended  # noqa: PLC0415
        from telemetry.ingest.mapping.preset_file import load_preset  # noqa: PLC0415

        if values["list_presets"] or values["show_preset"]:
            _print_presets(values["show_preset"])
            raise typer.Exit
        base = PLAIN
        if source := values["preset"]:
            base = extended(PLAIN, load_preset(source))
            with _naming("--preset", f"{source!r}: "):
                LineMapping(base)
        with _naming("--"):
            return LineMapping(extended(base, _given(values)))


@contextmanager
def _naming(option: str, text: str = "") -> Iterator[None]:
    """Name the file, or the option, in which a table of a mapping has a fault."""
    try:
        yield
    except ConfigurationError as exc:
        problems = [
            Problem(option, f"{text}{problem.field}: {problem.reason}", problem.remedy)
            if text
            else Problem(f"{option}{problem.field.removeprefix('--')}", problem.reason, problem.remedy)
            for problem in exc.problems
        ]
        raise ConfigurationError(*problems) from exc


def _print_presets(name: str | None) -> None:
    """Print one preset as it is written, or what each is for."""
    from telemetry.ingest.mapping.preset_file import load_preset, preset_names, preset_text  # noqa: PLC0415

    if name is not None:
        write_line(preset_text(name).rstrip("\n"))
        return
    names = preset_names()
    width = max(map(len, names))
    for each in names:
        write_line(f"{each:{width}}  {load_preset(each).summary}")


def _given(values: Mapping[str, Any]) -> Preset:
    """Return what the options say, as a preset."""
    from telemetry.ingest.mapping.preset import FIELDS, Preset  # noqa: PLC0415
    from telemetry.ingest.paths import compile_path  # noqa: PLC0415

    pairs = dict(_pair("--field", pair, "session_id=session.id") for pair in values["field"] or ())
    named = {name: path for name, option in _PATH_OPTIONS.items() if (path := values[option])}
    # The mapping knows a path by its field; its author knows it by its option.
    for name, path in named.items():
        compile_path(path, option=f"--{_PATH_OPTIONS[name].replace('_', '-')}")
    for path in pairs.values():
        compile_path(path, option="--field")
    return Preset(
        time_zone=values["time_zone"],
        fields={name: path for name, path in pairs.items() if name in FIELDS} | named,
        metadata={name: path for name, path in pairs.items() if name not in FIELDS},
        default={name: text for name in ("event_type", "user_id") if (text := values[name])},
        set=dict(_pair("--set", pair, "source=okta") for pair in values["set"] or ()),
        words=_words(values["outcome_map"] or ()),
    )


def _pair(option: str, pair: str, example: str) -> tuple[str, str]:
    from telemetry.ingest.mapping.preset import NAMED, RESERVED  # noqa: PLC0415

    name, equals, value = pair.partition("=")
    if not equals or not name.isidentifier() or not value or name in (*NAMED, *RESERVED):
        raise ConfigurationError(
            Problem(option, f"{pair!r} is not NAME=VALUE of a further field", f"write it like {example}")
        )
    return name, value


def _words(pairs: list[str] | tuple[str, ...]) -> dict[Any, list[str]]:
    from telemetry.ingest.mapping.outcomes import Outcome  # noqa: PLC0415

    words: dict[str, list[str]] = {}
    for pair in pairs:
        outcome, _, listed = pair.partition("=")
        named = [word.strip() for word in listed.split(",") if word.strip()]
        if outcome not in get_args(Outcome) or not named:
            raise ConfigurationError(
                Problem("--outcome-map", f"{pair!r} is not OUTCOME=WORD,...", "write it like denied=DENY,403")
            )
        words.setdefault(outcome, []).extend(named)
    return words


def with_mapping(command: Command) -> Command:
    """Give a command the mapping options; it receives the mapping as ``mapping``."""
    return with_bundle(command, MappingOptions())
