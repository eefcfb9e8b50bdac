"""Implements ``telemetry witness``: watches that the streams of a trail only grow, and publishes rosters of them."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from telemetry.archive.reading.place import archive_store_config, open_archive_store
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.trust import PublicKeys, Trust, require_trust
from telemetry.cli.output.console import err, write_line
from telemetry.cli.output.examples import examples
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.roster.store import open_rosters
from telemetry.reader.roster.timestamp import TimestampRoots
from telemetry.reader.seals.store import SealStore
from telemetry.witness.archive import WitnessedArchive
from telemetry.witness.roster_topic import RosterTopic
from telemetry.witness.rounds import Rounds
from telemetry.witness.state import WitnessState
from telemetry.witness.timestamp import TimestampAuthority
from telemetry.witness.witness import Round, Witness

app = typer.Typer(add_completion=False)


@app.command(
    "witness",
    epilog=examples(
        "telemetry witness -c witness.toml --every 300 --trust trust.toml --roster s3://rosters/payments",
        "telemetry witness -c witness.toml --once --public-key audit.pub --roster file:///srv/rosters",
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
    every: Annotated[
        float | None, typer.Option(min=1.0, metavar="SECONDS", help="Look again and again, with this pause.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    public_key: PublicKeys = None,
    trust: Trust = None,
    state: Annotated[
        Path | None, typer.Option(help="File that remembers what was seen; default: beside the witness's key file.")
    ] = None,
    publish_topic: Annotated[
        bool,
        typer.Option(
            "--publish-topic",
            help="Write each roster to the topic too. Needs the right to write; upgrade the readers first.",
        ),
    ] = False,
    archive: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Archive whose seals it watches too: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
            "az://ACCOUNT/CONTAINER/PREFIX. Needs the right to read its seals.",
        ),
    ] = None,
    timestamp_url: Annotated[
        str | None,
        typer.Option(help="Time-stamping authority (RFC 3161) that stamps each roster; it learns a digest only."),
    ] = None,
    timestamp_ca: Annotated[
        Path | None, typer.Option(help="PEM file with its root: a time stamp that it does not vouch for is refused.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what each round did as JSON.")] = False,
) -> None:
    """Watch that every stream of the trail only grows, and publish signed rosters of them. Needs no right to decrypt.

    The rosters are one append-only log, signed by the key of `signing_config`. `verify --require-witness KEY` then finds what
    a trail alone cannot show: a producer that was deleted, a past that was rewritten, an end that was cut off.

    With `--archive` the log has the seals of an archive too, so that a seal that was cut off at its end is seen.

    Exit code: 0, or 3 when a stream, the topic or the archive is not what it was, or when to go on would be to sign a second
    history; nothing is signed then. 6 when the topic or the store cannot be reached.
    """
    if once == (every is not None):
        raise ConfigurationError(Problem("--once, --every", "exactly one of them is needed", "give one"))
    config = load(encryption_enabled=False, fallback_enabled=False)
    audit = config.audit_config
    policy = require_trust(public_key, trust, configured=audit.trust_file)
    signing = audit.signing_config
    if signing is None:
        raise ConfigurationError(Problem("signing_config", "is missing", "name the witness's own signing key"))
    key = SigningKey.load(signing.key_path, signing.passphrase)
    file = state or signing.key_path.with_name(f"{signing.key_path.name}.witness-state")
    authority = _authority(timestamp_url, timestamp_ca)
    place = None if archive is None else archive_store_config(archive, config)
    with (
        RosterTopic(audit) if publish_topic else nullcontext() as copies,
        open_archive_store(place) if place is not None else nullcontext() as store,
        open_rosters(roster, PublicKey.parse(key.public_key), storage=audit.storage_config) as rosters,
        WitnessState(file) as known,
    ):
        witness = Witness(
            audit,
            policy=policy,
            signer=key,
            state=known,
            rosters=rosters,
            authority=authority,
            copies=copies,
            archive=WitnessedArchive(SealStore(store), policy) if store is not None else None,
        )
        witness.start()
        if every is None:
            _Shown(json=json).done(witness.look(now=datetime.now(UTC)))
            return
        rounds = Rounds(witness, seconds=every, listener=_Shown(json=json))
        signal.signal(signal.SIGTERM, lambda _signal, _frame: rounds.stop())
        rounds.run()


def _authority(url: str | None, ca: Path | None) -> TimestampAuthority | None:
    if url is None:
        if ca is not None:
            raise ConfigurationError(Problem("--timestamp-url", "is missing", "name the time-stamping authority"))
        return None
    roots = None if ca is None else TimestampRoots.load(ca, option="--timestamp-ca")
    return TimestampAuthority(url, roots=roots)


class _Shown:
    """Shows what each round did.

    Args:
        json: As JSON.
    """

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def done(self, result: Round) -> None:
        """Show one round."""
        if self._json:
            write_line(msgspec.json.encode(result).decode())
            return
        err.print(
            f"{result.streams} streams changed in {result.records} new records{_seals(result.seals)}; the log has "
            f"{result.size} leaves",
            style="dim",
        )


def _seals(count: int) -> str:
    return f", {count} new seals" if count else ""
