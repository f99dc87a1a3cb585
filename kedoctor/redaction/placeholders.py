"""What stands in a bundle where a secret stood: its kind, what of it is public, and a token to compare it by.

::

    [redacted password token=0f3a6c1d9e42]
    [redacted private key spki-sha256=<64 hex> token=0f3a6c1d9e42]
    [redacted jwt exp=1795490004 iat=1795403604 token=0f3a6c1d9e42]

Equal secrets of one bundle have equal tokens; the salt that makes them is random and never stored. How long a secret was
is not told (bundles of kedoctor 0.1.0 do, as ``12 bytes``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import Counter
from typing import Any

from kedoctor import patterns
from kedoctor.base.records import RecordError, decode

__all__ = [
    "JWT",
    "MOST_SECONDS",
    "PLACEHOLDER",
    "OutOfTimeError",
    "Placeholders",
    "is_placeholder",
    "placeholder_kind",
    "private_key_kind",
]

KINDS = (
    "private key",
    "encrypted private key",
    "jwt",
    "token",
    "bearer token",
    "password",
    "secret",
    "credential",
    "data",
)

PLACEHOLDER = (
    rf"\[redacted (?:{'|'.join(KINDS)})(?: spki-sha256=[0-9a-f]{{64}})?(?: exp=\d{{1,12}})?(?: iat=\d{{1,12}})?"
    r"(?: unsigned)?(?: \d{1,12} bytes)? token=[0-9a-f]{12}\]"
)
"""A regular expression for every placeholder, so that what is redacted is never redacted again."""

JWT = r"eyJ[A-Za-z0-9_-]{6,}+(?:\.[A-Za-z0-9_-]*+){0,4}+"

_WHOLE = patterns.compiled(rf"(?:(?i:bearer|basic|digest)[ \t]+)?(?:[0-9a-f]{{64}}\.)?{PLACEHOLDER}")
_PINNED_JWT = patterns.compiled(r"(?P<pin>[0-9a-f]{64}\.)?(?P<jwt>eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){2})")
_VERSIONED_KEYS = (0, 1, 3)  # PKCS#1, SEC 1 and PKCS#8 begin with the integer 0 or 1, PKCS#12 with 3
_PASSWORD_BASED = bytes.fromhex("2a864886f70d0105")  # PKCS#5: how encrypted PKCS#8 keys begin


def is_placeholder(text: str) -> bool:
    """Whether ``text`` is a placeholder and nothing else (a public digest, or ``Bearer``, may stand in front)."""
    return _WHOLE.fullmatch(text.strip()) is not None


def placeholder_kind(text: str) -> str:
    """Which kind of secret stood where a placeholder stands: ``password``, ``private key`` and so on."""
    inside = text.removeprefix("[redacted ")
    return max((kind for kind in KINDS if inside.startswith(f"{kind} ")), key=len, default="")


def private_key_kind(data: bytes) -> str:
    """``private key``, ``encrypted private key`` or nothing, judged by the DER structure or PEM label of ``data``.

    Works on the first bytes alone, so a key that was cut off is recognised too.
    """
    if b"PRIVATE KEY-----" in data:
        encrypted = b"ENCRYPTED PRIVATE KEY-----" in data or b"Proc-Type: 4,ENCRYPTED" in data
        return "encrypted private key" if encrypted else "private key"
    if len(data) < 16 or data[0] != 0x30:
        return ""
    body = data[2 + (data[1] & 0x7F if data[1] & 0x80 else 0) :]
    if body[:2] == b"\x02\x01" and body[2] in _VERSIONED_KEYS:
        return "private key"
    return "encrypted private key" if _PASSWORD_BASED in body[:24] else ""


MOST_SECONDS = 20.0
"""Of processor time for one item; every pattern takes linear time, so only what is far too long comes near it."""


class OutOfTimeError(Exception):
    """An item took too long; the message says so, and nothing of the item."""


class Placeholders:
    """Makes the placeholders of one bundle and, between two :meth:`begin`, counts them by kind."""

    def __init__(self, salt: bytes | None = None) -> None:
        self._salt = salt if salt is not None else secrets.token_bytes(32)
        self.counts: Counter[str] = Counter()
        self._ends: float | None = None

    def for_item(self) -> Placeholders:
        """The same tokens, with counters and :data:`MOST_SECONDS` of their own, for this thread."""
        item = Placeholders(self._salt)
        item._ends = time.thread_time() + MOST_SECONDS
        return item

    def go_on(self) -> None:
        """To be asked between two steps of the work on an item.

        Raises:
            OutOfTimeError: its time is over.
        """
        if self._ends is not None and time.thread_time() > self._ends:
            raise OutOfTimeError(f"it took more than {MOST_SECONDS:.0f} seconds of processor time")

    def of(self, kind: str, secret: str | bytes) -> str:
        """The placeholder of a secret of which nothing is public."""
        return self._made(kind, "", _raw(secret))

    def of_private_key(self, data: bytes) -> str:
        """The placeholder of a private key (PEM or DER); it keeps the SHA-256 of the public half if that can be had."""
        kind = private_key_kind(data) or "private key"
        fingerprint = _public_fingerprint(data) if kind == "private key" else ""
        # The token is of the key, not of how it was written down, wherever the key can be read.
        identity = fingerprint.encode() or data
        public = f"spki-sha256={fingerprint}" if fingerprint else ""
        return self._made(kind, public, identity)

    def of_jwt(self, text: str) -> str:
        """The placeholder of a JSON Web Token; it keeps when it was issued and when it expires."""
        dates = _dates(text) or {}
        public = [f"{name}={date}" for name, date in dates.items()]
        if not text.split(".")[2:3] or not text.split(".")[2]:
            public.append("unsigned")
        return self._made("jwt", " ".join(public), _raw(text))

    def of_value(self, kind: str, value: str) -> str:
        """The placeholder of a whole value that is known to be secret; a key or token keeps what is public of it."""
        stripped = value.strip()
        if is_placeholder(stripped):
            return value
        if (match := _PINNED_JWT.fullmatch(stripped)) is not None and _dates(match["jwt"]) is not None:
            return (match["pin"] or "") + self.of_jwt(match["jwt"])
        data = _raw(value)
        if private_key_kind(data):
            return self.of_private_key(data)
        return self.of(kind, value)

    def _made(self, kind: str, public: str, secret: bytes) -> str:
        self.counts[kind] += 1
        token = hmac.new(self._salt, secret, hashlib.sha256).hexdigest()[:12]
        return " ".join(part for part in ("[redacted", kind, public, f"token={token}]") if part)


def _raw(secret: str | bytes) -> bytes:
    return secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogateescape")


def _public_fingerprint(data: bytes) -> str:
    from kedoctor.pki import certificates  # noqa: PLC0415  cryptography is slow to import and seldom needed

    try:
        return certificates.read_private_key(data).spki_sha256
    except certificates.CertificateError:
        return ""


def _dates(jwt: str) -> dict[str, int] | None:
    """``exp`` and ``iat`` (Unix time) where they are told; ``None`` when this is not a JWT at all."""
    header, payload, *_ = (*jwt.split("."), "", "")
    claims = _segment(payload)
    if _segment(header) is None or claims is None:
        return None
    dates = {name: claims.get(name) for name in ("exp", "iat")}
    return {
        name: int(date)
        for name, date in dates.items()
        if isinstance(date, int | float) and not isinstance(date, bool) and 0 <= date < 10**11
    }


def _segment(text: str) -> dict[str, Any] | None:
    try:
        found: Any = decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), object)
    except (RecordError, binascii.Error, ValueError):
        return None
    return found if isinstance(found, dict) else None
