"""Creates what the trial needs: certificates for mutual TLS, keys, identities and configuration. Nothing for production.

Usage: prepare.py FOLDER [--owner UID] [--brokers HOST:PORT]

A folder that is prepared stays as it is.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import secrets
import subprocess
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS = 90
_CONFIGURATION = """\
service_name = "audit-gateway"
environment = "trial"

[audit_config]
kafka_brokers = "{brokers}"
security_protocol = "PLAINTEXT"
spool_path = "{folder}/spool"
self_audit = true

[audit_config.shared_streams]

[audit_config.encryption_config]
provider = "local_key"
key_path = "{folder}/audit.key"
passphrase_file = "{folder}/passphrase"

[audit_config.signing_config]
key_path = "{folder}/signing.key"
passphrase_file = "{folder}/passphrase"

[audit_config.storage_config]
provider = "local_file"
base_path = "{folder}/fallback"

[gateway_config]
listen = ["https://0.0.0.0:4318"]
tls_certificate = "{folder}/gateway.crt"
tls_key = "{folder}/gateway.key"
client_ca = "{folder}/ca.crt"
identities = "{folder}/identities.toml"
"""
_IDENTITIES = """\
[[identity]]
service = "payments"
certificates = ["payments.example"]
max_events_per_second = 1000
"""


class Authority:
    """Issues certificates; its own key is not kept."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "telemetry trial")])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = _begin(self._name, self._name, self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate = builder.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())

    def issue(self, *names: str, is_server: bool) -> tuple[bytes, bytes]:
        """Return a certificate for DNS names, and its key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _begin(subject, self._name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM), text


def main() -> None:
    """Prepare a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--owner", type=int, help="user that everything is given to")
    parser.add_argument("--brokers", default="kafka:9092")
    options = parser.parse_args()
    os.umask(0o077)
    folder: Path = options.folder.resolve()
    folder.mkdir(exist_ok=True)
    done = folder / "telemetry.toml"
    if done.exists():
        print(f"{folder} is prepared already")
        return
    write_certificates(folder)
    write_keys(folder)
    (folder / "identities.toml").write_text(_IDENTITIES)
    (folder / "spool").mkdir(mode=0o700, exist_ok=True)
    (folder / "fallback").mkdir(mode=0o700, exist_ok=True)
    if options.owner is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, options.owner, options.owner)
    # The last one, so that a run that was cut off is done again.
    done.write_text(_CONFIGURATION.format(folder=folder, brokers=options.brokers))
    if options.owner is not None:
        os.chown(done, options.owner, options.owner)
    print(f"{folder} is prepared; the public key of the trail is in audit.pub")


def write_certificates(folder: Path) -> None:
    """Write those of the authority, the gateway and one caller."""
    authority = Authority()
    (folder / "ca.crt").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    for name, names, is_server in (
        ("gateway", ("gateway", "localhost"), True),
        ("payments", ("payments.example",), False),
    ):
        certificate, key = authority.issue(*names, is_server=is_server)
        (folder / f"{name}.crt").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)


def write_keys(folder: Path) -> None:
    """Create the key that encrypts, and the one that signs."""
    passphrase = folder / "passphrase"
    passphrase.write_text(secrets.token_urlsafe(24) + "\n")
    for path in (folder / "audit.key", folder / "signing.key"):
        path.unlink(missing_ok=True)
    protected = ["--passphrase-file", str(passphrase)]
    telemetry("keys", "init", str(folder / "audit.key"), *protected)
    public = telemetry("keys", "init-signing", str(folder / "signing.key"), "--name", "trial", *protected)
    (folder / "audit.pub").write_text(public)


def telemetry(*words: str) -> str:
    """Run the command, and return its output."""
    done = subprocess.run([sys.executable, "-m", "telemetry", *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


if __name__ == "__main__":
    main()
