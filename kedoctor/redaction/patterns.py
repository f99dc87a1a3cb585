"""Secrets in text of any kind: found by their shape, replaced by placeholders.

This is the second net, behind the redaction of known formats in :mod:`kedoctor.redaction.redactor`, and the first one for
logs and for what tools print. It prefers taking too much to leaving something.
"""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.redaction.assignments import redact_assignments
from kedoctor.redaction.base64_runs import redact_base64, redact_wrapped
from kedoctor.redaction.encodings import may_be_encoded, redact_encoded, with_plain_names
from kedoctor.redaction.manifests import redact_manifests
from kedoctor.redaction.placeholders import Placeholders
from kedoctor.redaction.private_keys import redact_private_keys
from kedoctor.redaction.programs import redact_arguments
from kedoctor.redaction.quoted import may_be_quoted, redact_quoted
from kedoctor.redaction.service_tokens import has_service_token, redact_service_tokens
from kedoctor.redaction.shapes import redact_shapes

__all__ = ["is_suspicious", "redact_text"]

# Every shape contains one of these, so that most text is done with after a few fast searches.
_WORDS = (
    *(
        "pass",
        "pwd",
        "secret",
        "token",
        "api",
        "access",
        "auth",
        "private",
        "cred",
        "key",
        "psk",
        "dsn",
        "cookie",
    ),
    *("connection", "kennwort", "contrase", "пароль", "パスワード", "비밀번호", "密", "口令", "令牌"),
    *(
        "bearer",
        "basic",
        "digest",
        "eyj",
        "k10",
        "identified",
        "sig",
        "hooks",
        "mosquitto",
        "mysql",
        "mariadb",
    ),
    *(
        "redis",
        "ldap",
        "login",
        "-u",
        "--creds",
        "--from-literal",
        "system:",
        "@tcp",
        "@u",
        "priv",
        ":3306:",
        ":5432:",
    ),
)
_RARE = (
    patterns.compiled(r"://[^\s]{0,1024}@"),
    patterns.compiled(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{28}"),
    patterns.compiled(r"\.[a-z0-9]{16}(?![\w.-])"),
)

_DEEPEST = 3
"""How often a text may have been encoded."""


def is_suspicious(text: str) -> bool:
    """Whether a text is worth a closer look; one that is not comes out of the net unchanged."""
    lowered = text.lower()
    return (
        any(word in lowered for word in _WORDS)
        or any(rare.search(text) for rare in _RARE)
        or has_service_token(text)
        or may_be_encoded(text)
    )


def redact_text(text: str, marks: Placeholders) -> str:
    """``text`` with everything that looks like a secret replaced; a second time changes nothing."""
    return _redacted(text, marks, 0)


def _redacted(text: str, marks: Placeholders, depth: int) -> str:
    if not is_suspicious(text):
        return text
    if depth < _DEEPEST and may_be_quoted(text):
        text = redact_quoted(text, lambda inner: _redacted(inner, marks, depth + 1))
    text = with_plain_names(text)
    if depth < _DEEPEST and may_be_encoded(text):
        text = redact_encoded(text, lambda inner: _redacted(inner, marks, depth + 1))
    return _plain(text, marks)


def _plain(text: str, marks: Placeholders) -> str:
    text = redact_private_keys(text, marks)
    marks.go_on()
    text = redact_base64(text, marks, _looks_secret)
    marks.go_on()
    if "\n" in text or "\\n" in text:
        text = redact_wrapped(text, marks, _looks_secret)
        marks.go_on()
    text = redact_manifests(text, marks)
    marks.go_on()
    return _named(text, marks)


def _named(text: str, marks: Placeholders) -> str:
    for redact in (redact_service_tokens, redact_arguments, redact_shapes, redact_assignments):
        text = redact(text, marks)
        marks.go_on()
    return text


def _looks_secret(text: str, marks: Placeholders) -> bool:
    """Of what base64 hides: its shapes, not what would again be base64."""
    return _named(redact_manifests(redact_private_keys(text, marks), marks), marks) != text
