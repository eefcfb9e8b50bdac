"""Implements ``telemetry serve-token``: creates a token for a caller of the gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from telemetry.cli.options.connection import reporting_errors
from telemetry.cli.output.console import err, write_line
from telemetry.cli.output.examples import examples

app = typer.Typer(add_completion=False)


@app.command(
    "serve-token",
    epilog=examples(
        "telemetry serve-token --days 365 > token",
        "telemetry serve-token --days 90 --json",
    ),
)
@reporting_errors
def serve_token(
    *,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="Days until it expires.")] = 365,
    json: Annotated[bool, typer.Option("--json", help="Print token, digest and expiry as one JSON object.")] = False,
) -> None:
    """Create a token for a caller of `telemetry serve`, and print it once, with the entry for the identities file.

    The token goes to standard output, its entry to standard error: nothing but the digest is written into the file, and the
    token cannot be had from it.

    Exit code: 0.
    """
    from datetime import UTC, datetime, timedelta

    import msgspec

    from telemetry.gateway.identities.token import digest_of, new_token

    token = new_token()
    digest = digest_of(token).hex()
    until = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    not_after = until.isoformat().replace("+00:00", "Z")
    if json:
        write_line(msgspec.json.encode({"token": token, "sha256": digest, "not_after": not_after}).decode())
        return
    write_line(token)
    err.print("Give the token above to the caller; it is not shown again. In the identities file:", style="dim")
    err.print(f'tokens = [{{ sha256 = "{digest}", not_after = {not_after} }}]', markup=False, soft_wrap=True)
