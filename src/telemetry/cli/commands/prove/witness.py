"""Implements ``telemetry witness``: watches that the streams of a trail only grow, and publishes rosters of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.trust import PublicKeys, Trust, require_trust
from telemetry.cli.output.console import err, write_line
from telemetry.cli.output.examples import examples
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.roster.store import open_rosters
from telemetry.witness.state import WitnessState
from telemetry.witness.witness import Round, Witness

app = typer.Typer(add_completion=False)


@app.command(
    "witness",
    epilog=examples(
        "telemetry witness -c witness.toml --once --trust trust.toml --roster s3://rosters/payments",
    ),
)
@with_connection
def witness(
    load: Loader,
    *,
    roster: Annotated[
        str,
        typer.Option(
            metavar="URI",
            help="Place of the rosters, out of the broker's reach: file:///FOLDER, s3://BUCKET/PREFIX, "
            "gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX.",
        ),
    ],
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    public_key: PublicKeys = None,
    trust: Trust = None,
    state: Annotated[
        Path | None, typer.Option(help="File that remembers what was seen; default: beside the witness's key file.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what each round did as JSON.")] = False,
) -> None:
    """Watch that every stream of the trail only grows, and publish signed rosters of them. Needs no right to decrypt.

    The rosters are one append-only log, signed by the key of `signing_config`. `verify --require-witness KEY` then finds what
    a trail alone cannot show: a producer that was deleted, a past that was rewritten, an end that was cut off.

    Exit code: 0, or 3 when a stream or the topic is not what it was, or when to go on would be to sign a second history;
    nothing is signed then. 6 when the topic or the store cannot be reached.
    """
    if not once:
        raise ConfigurationError(Problem("--once", "is missing", "give it"))
    audit = load(encryption_enabled=False, fallback_enabled=False).audit_config
    policy = require_trust(public_key, trust, configured=audit.trust_file)
    signing = audit.signing_config
    if signing is None:
        raise ConfigurationError(Problem("signing_config", "is missing", "name the witness's own signing key"))
    key = SigningKey.load(signing.key_path, signing.passphrase)
    file = state or signing.key_path.with_name(f"{signing.key_path.name}.witness-state")
    with (
        open_rosters(roster, PublicKey.parse(key.public_key), storage=audit.storage_config) as rosters,
        WitnessState(file) as known,
    ):
        witness = Witness(audit, policy=policy, signer=key, state=known, rosters=rosters)
        witness.start()
        _show(witness.look(now=datetime.now(UTC)), json=json)


def _show(done: Round, *, json: bool) -> None:
    if json:
        write_line(msgspec.json.encode(done).decode())
        return
    err.print(
        f"{done.streams} streams changed in {done.records} new records; the log has {done.size} leaves", style="dim"
    )
