"""Values to compare later, without the secrets among them: a secret is told by a keyed hash.

The key lies beside kedoctor's state and leaves this host with nothing that kedoctor writes: without it nobody can try out
what a hash was made of, however short the secret is. A hash has one length whatever it was made of.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kedoctor.base.atomic_files import create_file, make_directory
from kedoctor.base.directories import PlaceError
from kedoctor.base.input_files import read_plain
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.settings import KEYED, WITHHELD, KeptDocument, SettingsDocument
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.redaction.redactor import Redactor

__all__ = ["KEY_FILE", "protected", "protected_values", "safe_values", "settings_key"]

KEY_FILE = "settings.key"
_SIZE = 32
_PLACEHOLDER = "[redacted "


def settings_key(state: Path) -> bytes:
    """The key of this host and user, made when it is first needed (mode 0600).

    Where it can be neither read nor made, a key for this process alone: what two sides hold can then be compared as long
    as both are looked at now, and nothing with what was kept before.
    """
    path = state / KEY_FILE
    for _ in range(2):
        with contextlib.suppress(OSError, PlaceError):
            found = read_plain(path, _SIZE, follow=False)
            if len(found) == _SIZE:
                return found
        with contextlib.suppress(OSError, PlaceError):
            make_directory(state)
            create_file(path, secrets.token_bytes(_SIZE))
    return _of_this_process()


_MADE: list[bytes] = []


def _of_this_process() -> bytes:
    if not _MADE:
        _MADE.append(secrets.token_bytes(_SIZE))
    return _MADE[0]


def protected_values(
    document: SettingsDocument, rules: Sequence[RedactionRule], key: bytes
) -> dict[str, str]:
    """The values of a document as they may be kept and shown: each secret as a keyed hash.

    Secret is what the document says, what the rules say, and what looks like one. A value that a bundle holds redacted is
    withheld: its token was made with another salt.
    """
    known = Redactor(rules).redact(
        document.evidence, {path: _read(one) for path, one in document.values.items()}
    )
    clean: Any = known.answer
    # The name of a key may hold a secret, too: of what it is, only that it is the same one later is told.
    names = DocumentRedactor(salt=key)
    everything = document.values | document.secrets
    if isinstance(clean, Unavailable):
        return dict.fromkeys(map(names.text, everything), WITHHELD)
    return {
        names.text(path): _kept(value, key)
        if path in document.secrets or clean.get(path) != _read(value) or _PLACEHOLDER in value
        else value
        for path, value in everything.items()
    }


def safe_values(kept: KeptDocument) -> dict[str, str]:
    """The values of a document of a backup; kedoctor 0.1.0 kept secrets in clear, and these are withheld."""
    clean: Any = Redactor().redact(kept.name, {path: _read(one) for path, one in kept.values.items()}).answer
    names = DocumentRedactor()
    if isinstance(clean, Unavailable):
        return dict.fromkeys(map(names.text, kept.values), WITHHELD)
    return {
        names.text(path): value
        if value == WITHHELD or value.startswith(KEYED) or clean.get(path) == _read(value)
        else WITHHELD
        for path, value in kept.values.items()
    }


def _kept(value: str, key: bytes) -> str:
    if _PLACEHOLDER in value:
        return WITHHELD
    return f"{KEYED}{_digest(key, 'this key')[:8]}:{_digest(key, value)[:24]}"


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def protected(
    documents: Mapping[str, SettingsDocument], rules: Sequence[RedactionRule], state: Path
) -> dict[str, dict[str, str]]:
    """By name the values of several documents as they may be shown."""
    key = settings_key(state)
    return {name: protected_values(one, rules, key) for name, one in documents.items()}
