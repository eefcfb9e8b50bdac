"""Implements ``telemetry trust``: writes and explains the trust file, which says who may sign what."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from telemetry.cli.output.console import err, escape_control, escape_markup, fail, out, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.exceptions import ConfigurationError, FormatError, Problem, TelemetryError
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust import Role, TrustedKey, TrustPolicy, load_trust_file, parse_trust_file, read_trust_file
from telemetry.reader.trust.judgement import label_of
from telemetry.system.clock import rfc3339

_EVERY_SOURCE = "/*/*"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Write and explain the trust file: which key may sign for which services, as which role, and until when.",
)


_Keys = Annotated[
    list[str], typer.Argument(help="Public keys as `telemetry keys export-public` prints them, or files.")
]
_Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source", help="Source for which they may sign, such as /production/payments; * matches one part. Repeatable."
    ),
]
_Roles = Annotated[list[Role] | None, typer.Option("--role", help="Role of the keys; default: service. Repeatable.")]
_Topics = Annotated[
    list[str] | None, typer.Option("--topic", help="Topic for which they may sign; default: any. Repeatable.")
]
_Gateway = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="The keys are those of this gateway, such as /production/gateway: they may sign its own events, and for the "
        "services of --source what it logs on their behalf.",
    ),
]


@app.command(
    epilog=examples(
        "telemetry trust init audit.pub --source /production/payments --out trust.toml",
        "telemetry trust init auditor.pub --role auditor --out auditors.toml",
    )
)
def init(
    keys: _Keys,
    *,
    source: _Sources = None,
    role: _Roles = None,
    topic: _Topics = None,
    gateway: _Gateway = None,
    file: Annotated[Path, typer.Option("--out", "-o", help="File to write; it must not exist.")] = Path("trust.toml"),
) -> None:
    """Write a trust file for these keys. Edit it to add further keys, dates, and what is expected of a source."""
    try:
        blocks = _blocks(keys, role, source or [], topic or [], gateway)
        content = "\n".join(["version = 1\n", *blocks]).encode()
        parse_trust_file(content)
        with new_file(file, replace=False) as stream:
            stream.write(content)
    except TelemetryError as exc:
        raise fail(exc) from exc
    err.print(f"trust file written to [bold]{escape_markup(str(file))}[/]; look at it with `telemetry trust check`")


@app.command(
    epilog=examples(
        "telemetry trust add shop.pub --source /production/shop --to trust.toml",
        "telemetry trust add gateway.pub --gateway /production/gateway --source /production/shop --to trust.toml",
        "telemetry trust add archiver.pub --role archiver --source /production/telemetry-archiver --to trust.toml",
    )
)
def add(
    keys: _Keys,
    *,
    source: _Sources = None,
    role: _Roles = None,
    topic: _Topics = None,
    gateway: _Gateway = None,
    file: Annotated[Path, typer.Option("--to", help="The trust file.")] = Path("trust.toml"),
) -> None:
    """Add keys to a trust file. What is in it stays as it is, comments too.

    Exit code: 0, or 2 when the file or a key cannot be used; the file is unchanged then.
    """
    try:
        if not file.exists():
            problem = Problem(
                "--to", f"{file} does not exist", "write it with `telemetry trust init` and the first key"
            )
            raise ConfigurationError(problem)
        before = read_trust_file(file)
        parse_trust_file(before)
        content = "\n".join(
            [before.decode().rstrip("\n") + "\n", *_blocks(keys, role, source or [], topic or [], gateway)]
        )
        parse_trust_file(content.encode())
        with new_file(file, replace=True, option="--to") as stream:
            stream.write(content.encode())
            # Auditors may read a file that the administrator writes; nobody else could write it, or it had been refused.
            if hasattr(os, "fchmod"):
                os.fchmod(stream.fileno(), stat.S_IMODE(file.stat().st_mode))
    except TelemetryError as exc:
        raise fail(exc) from exc
    err.print(f"added to [bold]{escape_markup(str(file))}[/]; look at it with `telemetry trust check`")


@app.command(epilog=examples("telemetry trust check trust.toml", "telemetry trust check trust.toml --json"))
def check(
    file: Annotated[Path, typer.Argument(help="The trust file.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the keys as JSON.")] = False,
) -> None:
    """Check a trust file, and show what each key may sign and whether it may still.

    Exit code: 0, or 2 when the file cannot be used.
    """
    try:
        policy = load_trust_file(file)
    except TelemetryError as exc:
        raise fail(exc) from exc
    now = datetime.now(UTC)
    if json:
        write_line(msgspec.json.encode([_facts(key, now) for key in policy.keys]).decode())
        return
    table = Table("key", "roles", "sources", "topics", "from", "until", "status")
    for key in policy.keys:
        facts = _facts(key, now)
        cells = (
            facts["key"],
            ", ".join(facts["roles"]),
            "\n".join(facts["sources"]),
            ", ".join(facts["topics"] or ["any"]),
        )
        table.add_row(*map(_text, (*cells, facts["not_before"] or "", facts["not_after"] or "", facts["status"])))
    out.print(table)
    for advice in _advice(policy, now):
        err.print(Text(f"note: {escape_control(advice)}", style="yellow"))


def _public_key(text: str) -> PublicKey:
    try:
        path = Path(text)
        return PublicKey.parse(path.read_text("utf-8").strip() if path.is_file() else text)
    except (OSError, UnicodeDecodeError, FormatError) as exc:
        remedy = "give a key as `telemetry keys export-public` prints it, or a file that contains it"
        raise ConfigurationError(Problem("KEYS", f"{text!r} is not a public key", remedy)) from exc


def _blocks(
    texts: list[str], roles: list[Role] | None, sources: list[str], topics: list[str], gateway: str | None
) -> list[str]:
    """Return the entries of keys; a gateway has two of each, so that it cannot sign as one of its services.

    Raises:
        ConfigurationError: A text is not a public key, or the options contradict each other.
    """
    keys = [_public_key(text) for text in texts]
    if gateway is None:
        return [_block(key, roles or [Role.SERVICE], sources, topics) for key in keys]
    if roles:
        raise ConfigurationError(Problem("--role", "contradicts --gateway", "give one of them"))
    if not sources or gateway in sources:
        reason = "needs the sources of the services for which it logs, and not its own"
        raise ConfigurationError(Problem("--gateway", reason, "name them with --source"))
    entries = ([Role.SERVICE], [gateway]), ([Role.GATEWAY], sources)
    return [_block(key, role, covered, topics) for key in keys for role, covered in entries]


def _block(key: PublicKey, roles: list[Role], sources: list[str], topics: list[str]) -> str:
    lines = ["[[key]]", f"public = {_quoted(str(key))}", f"roles = {_list([str(role) for role in roles])}"]
    lines += [f"sources = {_list(sources)}"] if sources else []
    lines += [f"topics = {_list(topics)}"] if topics else []
    lines.append("# not_after = 2027-12-31T00:00:00Z   # also: not_before, revoked_from")
    return "\n".join(lines) + "\n"


def _list(texts: list[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    # A JSON string is a basic string of TOML (https://toml.io/en/v1.0.0#string), but for U+007F.
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def _facts(key: TrustedKey, now: datetime) -> dict[str, Any]:
    return {
        "key": label_of(key.public),
        "roles": sorted(key.roles),
        "sources": list(key.sources),
        "topics": list(key.topics) if key.topics is not None else None,
        "not_before": _day(key.not_before),
        "not_after": _day(key.not_after),
        "revoked_from": _day(key.revoked_from),
        "status": _status(key, now),
    }


def _status(key: TrustedKey, now: datetime) -> str:
    if key.revoked_from is not None:
        return f"revoked from {_day(key.revoked_from)}"
    if key.not_before is not None and now < key.not_before:
        return "not valid yet"
    return "ended" if key.not_after is not None and now > key.not_after else "valid"


def _advice(policy: TrustPolicy, now: datetime) -> list[str]:
    """Return what is allowed, but probably not meant."""
    advice = []
    for key in policy.keys:
        label = label_of(key.public)
        if key.roles >= {Role.SERVICE, Role.READER}:
            advice.append(f"{label} is a service's and a reader's key: each reader should have a key of its own")
        if Role.ARCHIVER in key.roles and len(key.roles) > 1:
            advice.append(
                f"{label} is an archiver's key and signs other things too: the archiver should have a key of its own"
            )
        if Role.ARCHIVER in key.roles and _EVERY_SOURCE in key.sources:
            advice.append(
                f"{label} may sign the seals of any archiver: name its source, such as /production/telemetry-archiver"
            )
        if key.roles >= {Role.SERVICE, Role.GATEWAY}:
            advice.append(
                f"{label} may sign for all its sources as a gateway, and as the service itself: "
                "give it two entries, as `telemetry trust add --gateway` writes them"
            )
        elif Role.GATEWAY in key.roles and not policy.sources_of(key.public, Role.SERVICE):
            advice.append(f"{label} is a gateway's key without a source of its own: add an entry with the role service")
        if key.is_dated and key.topics is None:
            advice.append(f"{label} has dates and no topics: it may sign for any topic, a copied one too")
    if not any(_status(key, now) == "valid" for key in policy.keys):
        advice.append("no key is valid now: nothing that is signed from now on is believed")
    return advice


def _day(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(time)


def _text(text: str) -> Text:
    return Text(escape_control(text))
