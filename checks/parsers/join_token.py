"""The join token of an edge node: ``<sha256 of the CA>.<JWT header>.<payload>.<signature>``.

cloudcore makes it (``facts.md §1.3``, Secret ``kubeedge/tokensecret``), valid for twice the refresh interval;
edgecore compares the first part with the CA it downloads and sends the rest (``facts.md §4.3``). The dates can be
read without any key; the signature cannot be checked without the CA's.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kedoctor.api import patterns

_HASH = patterns.compiled(r"[0-9a-f]{64}")
_BASE64URL = patterns.compiled(r"[A-Za-z0-9_-]+")
_REDACTED = patterns.compiled(
    r"(?P<hash>[0-9a-f]{64})\.\[redacted jwt(?: exp=(?P<exp>\d{1,12}))?(?: iat=(?P<iat>\d{1,12}))?(?P<unsigned> unsigned)? token=(?P<id>[^\]\s]*)\]"
)


class TokenError(ValueError):
    """Why a text is not a join token; ``reason`` never holds any part of it.

    ``"empty"`` and ``"wrong format"`` are what edgecore calls *credentials are in the wrong format*.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What a join token tells without a key: the CA it was made for, its dates if it has any, and whether it is signed."""

    ca_sha256: str
    issued: datetime | None
    expires: datetime | None
    signed: bool

    def expired_at(self, now: datetime) -> bool:
        """Whether cloudcore refuses the token at ``now`` (aware) because its time is over."""
        return self.expires is not None and now >= self.expires


def read_token(text: str) -> JoinToken:
    """The join token in ``text``, which may be the redacted form that evidence holds.

    Raises:
        TokenError: it is empty, not of four parts, redacted as a whole, or its parts cannot be read.
    """
    token = text.strip()
    if not token:
        raise TokenError("empty")
    if match := _REDACTED.fullmatch(token):
        dates = _moment(match["iat"]), _moment(match["exp"])
        return JoinToken(match["hash"], *dates, signed=not match["unsigned"])
    if token.startswith("[redacted"):
        raise TokenError("redacted")
    parts = token.split(".")
    if len(parts) != 4:
        raise TokenError("wrong format")
    if not _HASH.fullmatch(parts[0]):
        raise TokenError("the first part is not a SHA-256 in lower-case hexadecimal")
    _segment(parts[1], "header")
    claims = _segment(parts[2], "payload")
    signed = bool(_BASE64URL.fullmatch(parts[3]))
    return JoinToken(parts[0], _moment(claims.get("iat")), _moment(claims.get("exp")), signed)


def _segment(text: str, name: str) -> dict[str, object]:
    """One part of the JWT as the JSON object it holds."""
    if not _BASE64URL.fullmatch(text):
        raise TokenError(f"the {name} is not base64url")
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise TokenError(f"the {name} is not JSON") from None
    if not isinstance(found, dict):
        raise TokenError(f"the {name} is not a JSON object")
    return found


def _moment(seconds: object) -> datetime | None:
    """A NumericDate of RFC 7519; None for anything that is not a time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | str):
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(seconds))
    except (ValueError, OverflowError):
        return None
