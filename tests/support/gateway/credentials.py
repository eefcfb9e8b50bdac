"""Creates the certificates, tokens and identities of a gateway and of its callers."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import NamedTuple

import trustme

from telemetry.gateway.identities.token import digest_of, new_token

_LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
NEVER = "2100-01-01T00:00:00Z"


class Pair(NamedTuple):
    """A certificate chain and its key, in files."""

    certificate: Path
    key: Path

    def arguments(self) -> tuple[str, str]:
        """Return both as an HTTP client wants them."""
        return str(self.certificate), str(self.key)


class Authority:
    """An authority and what it issues, in a folder.

    Args:
        folder: Where the files are.
        name: Beginning of their names.
    """

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._name = name
        self._ca = trustme.CA(organization_name=name)
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, name: str, *identities: str, common_name: str | None = None, expired: bool = False) -> Pair:
        """Issue a certificate into files of that name."""
        end = _LONG_AGO if expired else None
        issued = self._ca.issue_cert(*identities, common_name=common_name, not_after=end)
        pair = Pair(self._folder / f"{self._name}-{name}.crt", self._folder / f"{self._name}-{name}.key")
        pair.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        pair.key.write_bytes(issued.private_key_pem.bytes())
        pair.key.chmod(0o600)
        return pair


def token_entry(token: str, not_after: str = NEVER) -> str:
    """Return the entry of a token."""
    return f'{{ sha256 = "{digest_of(token).hex()}", not_after = {not_after} }}'


def identity(
    service: str, *, certificates: list[str] | None = None, tokens: list[str] | None = None, **more: str
) -> str:
    """Return an identity as the file has it; ``tokens`` are entries, other values are written as they are."""
    lines = ["[[identity]]", f"service = {json.dumps(service)}"]
    if certificates:
        lines.append(f"certificates = {json.dumps(certificates)}")
    if tokens:
        lines.append(f"tokens = [{', '.join(tokens)}]")
    lines += [f"{name} = {value}" for name, value in more.items()]
    return "\n".join(lines) + "\n"


def write_identities(file: Path, *identities: str) -> Path:
    """Write an identities file at once, as an operator should: another file of the same name."""
    new = file.with_suffix(".new")
    new.write_text("\n".join(identities))
    new.chmod(0o600)
    new.replace(file)
    return file


class GatewayFiles:
    """Everything that a gateway with TLS needs, and two callers.

    Args:
        folder: Where it is.

    Attributes:
        authority: Issues the certificates of the gateway and of its callers.
        stranger: An authority that the gateway does not accept.
        server: Certificate of the gateway, for ``127.0.0.1`` and ``localhost``.
        payments: Certificate of a caller whose name the identities file has.
        token: Token of the service ``orders``.
        identities: The identities file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.stranger = Authority(folder, "stranger")
        self.server = self.authority.issue("server", "localhost", "127.0.0.1")
        self.payments = self.authority.issue("payments", "payments.example")
        self.token = new_token()
        self.identities = folder / "identities.toml"
        self.write(
            identity("payments", certificates=["payments.example"]),
            identity("orders", tokens=[token_entry(self.token)]),
        )

    def write(self, *identities: str) -> None:
        """Replace the identities."""
        write_identities(self.identities, *identities)

    def options(self, *, client_certificates: str = "required") -> list[str]:
        """Return the options of ``telemetry serve`` for this."""
        return [
            *("--listen", "https://127.0.0.1:0", "--identities", str(self.identities)),
            *("--tls-certificate", str(self.server.certificate), "--tls-key", str(self.server.key)),
            *("--client-ca", str(self.authority.file), "--client-certificates", client_certificates),
        ]
