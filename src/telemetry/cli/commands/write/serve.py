"""Implements ``telemetry serve``: takes events of services in any language over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, escape_markup, write_line
from telemetry.cli.output.examples import examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.gateway.server.address import Address

app = typer.Typer(add_completion=False)


@app.command(
    "serve",
    epilog=examples(
        "telemetry serve -c telemetry.toml --listen https://0.0.0.0:4318 --tls-certificate tls.crt --tls-key tls.key "
        "--client-ca clients.pem --identities identities.toml",
        "telemetry serve -c telemetry.toml --listen unix:/run/telemetry/gateway.sock --identities identities.toml",
    ),
)
@with_connection
def serve(
    load: Loader,
    *,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen",
            "-l",
            metavar="ADDRESS",
            help="https://HOST:PORT, unix:/PATH or http://127.0.0.1:PORT; repeatable.",
        ),
    ] = None,
    admin_listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Address of /healthz, /readyz and /metrics; default: http://127.0.0.1:9464."
        ),
    ] = None,
    identities: Annotated[
        Path | None, typer.Option(help="File that says which certificate, token or user logs for which service.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM file with the server's certificate chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with its private key.")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(help="PEM file with the authorities of the callers' certificates.")
    ] = None,
    client_certificates: Annotated[
        str | None, typer.Option(metavar="required|optional", help="Whether a caller on https needs one.")
    ] = None,
    allow_plain_http: Annotated[
        bool,
        typer.Option("--allow-plain-http", help="Accept http:// beyond this machine, where something else encrypts."),
    ] = False,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK", help="Address or network of a proxy whose X-Forwarded-For is believed; repeatable."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for delivery at the end.")] = 30.0,
) -> None:
    """Take events of services in any language over HTTP, and log each under the name of the service that sent it.

    Each caller is recognized by its certificate, its token or its user on a unix socket (docs/gateway.md). SIGHUP reads
    certificates and identities again. SIGTERM and SIGINT end it: requests that are being answered are finished, and all
    events are delivered or kept; a second signal cuts requests off.

    Exit code: 0, also after a signal; 2 for a wrong configuration, 7 when some events could not be kept anywhere.
    """
    import asyncio

    from telemetry.cli.feeding.serving import serving_config

    config = serving_config(
        load(),
        listen=tuple(listen or ()) or None,
        admin_listen=admin_listen,
        identities=identities,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        client_ca=client_ca,
        client_certificates=client_certificates,
        trusted_proxies=tuple(trusted_proxy or ()) or None,
        allow_plain_http=allow_plain_http or None,
    )

    def show(addresses: Sequence[Address]) -> None:
        if json:
            import msgspec

            write_line(msgspec.json.encode({"listening": [str(address) for address in addresses]}).decode())
        else:
            err.print(f"listening on {', '.join(escape_markup(str(address)) for address in addresses)}")

    from telemetry.gateway.running import run_gateway

    asyncio.run(run_gateway(config, started=show, shutdown_timeout=timeout))
