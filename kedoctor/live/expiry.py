"""When a credential ends, read from the credential itself, to say more than "Unauthorized"."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from kedoctor.records import Record, RecordError, decode

__all__ = ["certificate_fault", "token_fault"]


def token_fault(header: str, now: datetime) -> str:
    """What is wrong with a Bearer token at ``now``, in words; empty when it is no JWT or still holds."""
    end = _token_end(header)
    return f"its token expired on {end:%Y-%m-%d %H:%M} UTC" if end and end <= now else ""


def certificate_fault(pem: bytes, now: datetime) -> str:
    """What is wrong with the dates of the first certificate of ``pem`` at ``now``; empty when nothing is."""
    dates = _certificate_dates(pem)
    if dates is None or dates[0] <= now < dates[1]:
        return ""
    if now < dates[0]:
        return f"its client certificate is not valid before {dates[0]:%Y-%m-%d %H:%M} UTC (this machine's clock says {now:%Y-%m-%d %H:%M})"
    return f"its client certificate expired on {dates[1]:%Y-%m-%d %H:%M} UTC"


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


def _certificate_dates(pem: bytes) -> tuple[datetime, datetime] | None:
    block = re.search(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    if block is None:
        return None
    try:
        certificate = next(_elements(ssl.PEM_cert_to_DER_cert(block[0].decode("ascii"))))[1]
        to_be_signed = next(_elements(certificate))[1]
        sequences = [content for tag, content in _elements(to_be_signed) if tag == 0x30]
        start, end = (_time(tag, content) for tag, content in _elements(sequences[2]))
    except (ValueError, StopIteration, IndexError):
        return None
    return start, end


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each DER element in ``der``; validity is the third sequence of RFC 5280's."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == 0x17:  # UTCTime: years of two digits, 50 to 99 are of the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
