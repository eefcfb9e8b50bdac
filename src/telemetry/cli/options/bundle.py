"""Gives a command a bundle of options that it shares with other commands, as one argument."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Command = Callable[..., None]


class Bundle(Protocol):
    """Options that several commands share.

    Attributes:
        parameter: Name of the command's argument that receives the bundle.
        options: Annotation and default of each option, by the name of its value.
    """

    parameter: str
    options: Mapping[str, tuple[Any, Any]]

    def build(self, values: Mapping[str, Any]) -> Any:
        """Return the argument for these values of the options.

        Raises:
            ConfigurationError: A value cannot be used.
        """


def with_bundle(command: Command, bundle: Bundle) -> Command:
    """Return the command with the bundle's options in place of the argument that receives them."""
    own = inspect.signature(command).parameters
    # Typer reads names and help of options from signature and annotations, which must not be text for it.
    annotations = {
        name: annotation
        for name, annotation in inspect.get_annotations(command, eval_str=True).items()
        if name != bundle.parameter
    }

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        shared = {name: values.pop(name) for name in bundle.options}
        command(**{bundle.parameter: bundle.build(shared)}, **values)

    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotations[name])
        for name, parameter in own.items()
        if name != bundle.parameter
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in bundle.options.items()
    ]
    wrapper.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = annotations | {parameter.name: parameter.annotation for parameter in added}
    return wrapper
