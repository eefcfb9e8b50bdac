"""Builds the environment in which every template is rendered: all output is escaped, and undefined names are errors."""

from __future__ import annotations

from telemetry.exceptions import MissingExtraError
from telemetry.pages.addresses import own_url
from telemetry.pages.hostile_text import exact, inert, plain, short, shown
from telemetry.pages.marks import ALL_MARKS, proof_mark, record_marks, verdict_kind
from telemetry.pages.markup import Markup
from telemetry.pages.moments import local, utc
from telemetry.pages.style import page_policy, style

_FEATURE = "an HTML page"

try:
    import jinja2
except ImportError as exc:
    raise MissingExtraError(_FEATURE, "cli") from exc

_OWN = "telemetry.pages"


def page_environment(*packages: str) -> jinja2.Environment:
    """Return an environment with the shared templates, and those in the folder ``templates`` of further packages.

    An expression without a filter is shown as text too: :func:`telemetry.pages.hostile_text.inert` sees every one.

    Args:
        packages: Names of packages, such as ``telemetry.explorer.site``. The shared templates come first: no package replaces one.

    Raises:
        ValueError: A package has no such folder.
    """
    loaders = [jinja2.PackageLoader(package, "templates") for package in (_OWN, *packages)]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=inert,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        shown=shown, short=short, plain=plain, exact=exact, utc=utc, local=local, number=number, counted=counted
    )
    environment.globals.update(
        own_url=own_url,
        proof_mark=proof_mark,
        record_marks=record_marks,
        verdict_kind=verdict_kind,
        ALL_MARKS=ALL_MARKS,
        inline_style=_inline_style,
        page_policy=_inline_policy,
    )
    return environment


def render(environment: jinja2.Environment, template: str, **values: object) -> str:
    """Return a template with its values.

    Args:
        environment: From :func:`page_environment`.
        template: Name of the template, such as ``overview.html``.
        values: What it shows.
    """
    return environment.get_template(template).render(**values)


def number(value: float | None) -> str:
    """Return a number with commas between thousands; ``none`` for None."""
    return "none" if value is None else f"{value:,}"


def counted(value: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 event``, ``2,000 events``.

    Args:
        value: How many.
        noun: What, in the singular.
        plural: The plural, where it is not the noun with an ``s``.
    """
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def _inline_style() -> Markup:
    # Neither is from outside: the sheet is a file of this package, and the policy is written here.
    return Markup(style())


def _inline_policy() -> Markup:
    return Markup(page_policy())
