"""Reads the client certificate that a trusted proxy passes on in ``Client-Cert`` (RFC 9440)."""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from cryptography.x509.oid import NameOID

_MAX_CHARACTERS = 16 * 1024


def forwarded_names(value: str) -> tuple[str, ...] | None:
    """Return the names in the certificate, as :func:`telemetry.gateway.peer.names_of` orders them.

    The proxy has verified it; here it is only read.

    Args:
        value: The header: a byte sequence of RFC 8941, that is base64 between colons.

    Returns:
        None if it is not that.
    """
    text = value.strip()
    if len(text) > _MAX_CHARACTERS or len(text) < 2 or text[0] != ":" or text[-1] != ":":  # noqa: PLR2004 - the two colons
        return None
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(text[1:-1], validate=True))
        return _alternatives(certificate) or _common_name(certificate)
    except (binascii.Error, ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def _alternatives(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    names = [*extension.value.get_values_for_type(x509.DNSName)]
    names += extension.value.get_values_for_type(x509.UniformResourceIdentifier)
    return tuple(names)


def _common_name(certificate: x509.Certificate) -> tuple[str, ...]:
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return (str(common[0].value),) if len(common) == 1 else ()
