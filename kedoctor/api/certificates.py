"""X.509 for facts and checks: certificates and keys read, compared with host names and with each other, and made.

``read_certificates(data)`` gives :class:`Certificate` values from PEM or DER; :class:`CertificateError` says why not.
"""

from __future__ import annotations

from kedoctor.pki.certificates import (
    Certificate,
    CertificateError,
    Issued,
    PrivateKey,
    key_matches,
    make_ca,
    read_certificates,
    read_private_key,
    sign_server,
)

__all__ = [
    "Certificate",
    "CertificateError",
    "Issued",
    "PrivateKey",
    "key_matches",
    "make_ca",
    "read_certificates",
    "read_private_key",
    "sign_server",
]
