"""Creates certificates for every way in which TLS between a client and a broker can go right or wrong."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate, load_pem_x509_certificates

KEY_PASSWORD = "key-secret"
CLIENTS = ("payments", "stranger", "expired", "foreign")
_LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_NOT_SO_LONG_AGO = dt.datetime(2020, 2, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class ClientCertificate:
    """A client's certificate chain and key, in all the forms in which a client may have them.

    Attributes:
        certificate: PEM file with the chain.
        key: PEM file with the unencrypted PKCS#8 key.
        encrypted_key: PEM file with the key, encrypted under ``KEY_PASSWORD``.
        keystore: PKCS#12 file with both, encrypted under ``KEY_PASSWORD``.
    """

    certificate: Path
    key: Path
    encrypted_key: Path
    keystore: Path


@dataclass(frozen=True)
class Certificates:
    """Every certificate of a broker and its clients.

    Attributes:
        folder: Where all files are.
        ca: PEM file of the authority that the broker and its clients trust.
        foreign_ca: PEM file of an authority that nobody trusts.
        server: PEM keystore of the broker (key and chain) for ``localhost`` and ``127.0.0.1``.
        server_wrong_host: The same for ``elsewhere.example``.
        server_expired: The same for the right host, expired in 2020.
        server_foreign: The same for the right host, issued by the foreign authority.
        clients: ``payments`` (which the broker's ACLs may allow), ``stranger`` (known, without any right),
            ``expired`` (common name payments, expired in 2020), ``foreign`` (common name payments, foreign authority).
    """

    folder: Path
    ca: Path
    foreign_ca: Path
    server: Path
    server_wrong_host: Path
    server_expired: Path
    server_foreign: Path
    clients: dict[str, ClientCertificate]


def create_certificates(folder: Path) -> Certificates:
    """Create all certificates in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ca, foreign = trustme.CA(), trustme.CA(organization_name="foreign")
    certificates = certificates_in(folder)
    ca.cert_pem.write_to_path(certificates.ca)
    foreign.cert_pem.write_to_path(certificates.foreign_ca)
    here = ("localhost", "127.0.0.1")
    _write_server(certificates.server, ca.issue_cert(*here))
    _write_server(certificates.server_wrong_host, ca.issue_cert("elsewhere.example"))
    _write_server(certificates.server_expired, _expired(ca, *here))
    _write_server(certificates.server_foreign, foreign.issue_cert(*here))
    clients = {
        "payments": ca.issue_cert("client.example", common_name="payments"),
        "stranger": ca.issue_cert("client.example", common_name="stranger"),
        "expired": _expired(ca, "client.example", common_name="payments"),
        "foreign": foreign.issue_cert("client.example", common_name="payments"),
    }
    for name, leaf in clients.items():
        _write_client(certificates.clients[name], name, leaf)
    return certificates


def certificates_in(folder: Path) -> Certificates:
    """Return the names of the certificates that ``create_certificates`` writes into a folder."""
    return Certificates(
        folder=folder,
        ca=folder / "ca.pem",
        foreign_ca=folder / "foreign-ca.pem",
        server=folder / "server.keystore.pem",
        server_wrong_host=folder / "server-wrong-host.keystore.pem",
        server_expired=folder / "server-expired.keystore.pem",
        server_foreign=folder / "server-foreign.keystore.pem",
        clients={
            name: ClientCertificate(
                certificate=folder / f"{name}.pem",
                key=folder / f"{name}.key",
                encrypted_key=folder / f"{name}.encrypted.key",
                keystore=folder / f"{name}.p12",
            )
            for name in CLIENTS
        },
    )


def _expired(authority: trustme.CA, *identities: str, common_name: str | None = None) -> trustme.LeafCert:
    return authority.issue_cert(*identities, common_name=common_name, not_before=_LONG_AGO, not_after=_NOT_SO_LONG_AGO)


def _pkcs8(leaf: trustme.LeafCert) -> bytes:
    # Kafka's PEM keystores take PKCS#8 only.
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), password=None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _chain(leaf: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


def _write_server(path: Path, leaf: trustme.LeafCert) -> None:
    _write(path, _pkcs8(leaf) + _chain(leaf))


def _write_client(target: ClientCertificate, name: str, leaf: trustme.LeafCert) -> None:
    password = serialization.BestAvailableEncryption(KEY_PASSWORD.encode())
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), password=None)
    encrypted = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, password)
    certificate = load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    others = load_pem_x509_certificates(_chain(leaf))[1:]
    if not isinstance(key, EllipticCurvePrivateKey):  # what trustme creates; narrows the type
        raise TypeError(type(key))
    keystore = pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, others, password)
    _write(target.certificate, _chain(leaf))
    _write(target.key, _pkcs8(leaf))
    _write(target.encrypted_key, encrypted)
    _write(target.keystore, keystore)


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
