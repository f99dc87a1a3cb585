"""When a credential ends, read from the credential itself, to say more than "Unauthorized"."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from kedoctor.base.records import Record, RecordError, decode
from kedoctor.pki.certificates import CertificateError, read_certificates

__all__ = ["certificate_fault", "token_fault"]


def token_fault(header: str, now: datetime) -> str:
    """What is wrong with a Bearer token at ``now``, in words; empty when it is not a JWT or still holds."""
    end = _token_end(header)
    return f"its token expired on {end:%Y-%m-%d %H:%M} UTC" if end and end <= now else ""


def certificate_fault(pem: bytes, now: datetime) -> str:
    """What is wrong with the dates of the first certificate of ``pem`` at ``now``; empty when nothing is."""
    try:
        certificate = read_certificates(pem)[0]
    except CertificateError:
        return ""
    start, end = certificate.not_before, certificate.not_after
    if now < start:
        return f"its client certificate is not valid before {start:%Y-%m-%d %H:%M} UTC (this machine's clock says {now:%Y-%m-%d %H:%M})"
    return f"its client certificate expired on {end:%Y-%m-%d %H:%M} UTC" if now >= end else ""


class _Claims(Record, frozen=True):
    exp: float | None = None


def _token_end(header: str) -> datetime | None:
    parts = header.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = decode(payload, _Claims)
        return datetime.fromtimestamp(claims.exp, UTC) if claims.exp else None
    except (RecordError, ValueError, OverflowError, OSError):
        return None
