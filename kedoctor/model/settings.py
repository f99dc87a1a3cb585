"""Settings of a site as documents that can be kept and compared.

A plugin says which facts hold settings (hook ``kedoctor_settings``); each has an attribute ``documents``. The *values*
of a document are what a program works with, key by key: what a server adds by itself and what changes without anybody
changing it is not among them, so two documents differ only where somebody made them different.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from kedoctor.base.records import Record

__all__ = [
    "CHANGED",
    "KEYED",
    "SECRET",
    "WITHHELD",
    "BackupManifest",
    "Difference",
    "KeptDocument",
    "SettingsDocument",
    "differences",
    "flattened",
]

WITHHELD = "withheld"
"""Stands for a value that is secret where it cannot be compared."""


KEYED = "keyed:"
"""How the value of a secret begins where it is kept: ``keyed:KEY:DIGEST``, made with a key that stays on this host.

``KEY`` names the key, so that what was made with another one is not compared.
"""

SECRET, CHANGED = "a secret", "changed"
"""What is shown of a secret that is different: ``a secret -> changed``, or that one side has none."""


_NOTHING = (None, "null", '""', "[]", "{}")


class SettingsDocument(Record, frozen=True):
    """A document: its ``name`` on the site, the text that is kept, and its values by key.

    ``evidence`` is the name that rules of redaction match; ``title`` the file name it is kept under. ``secrets`` are
    the values that must not be shown or kept as they are: also those of keys that nobody knows.
    """

    name: str
    title: str
    evidence: str
    text: str
    values: dict[str, str]
    secrets: dict[str, str] = {}  # noqa: RUF012  msgspec gives each record its own

    def without_secrets(self) -> dict[str, str]:
        """The values, with each secret withheld."""
        return {**self.values, **dict.fromkeys(self.secrets, WITHHELD)}


class KeptDocument(Record, frozen=True):
    """A document in a backup: its name, the file beside the manifest that holds its text, and its values."""

    name: str
    file: str
    values: dict[str, str]


class BackupManifest(Record, frozen=True, kw_only=True):
    """What a backup holds; ``host`` is where it was made."""

    id: str
    created: datetime
    host: str
    tool: str
    documents: tuple[KeptDocument, ...]


class Difference(Record, frozen=True):
    """A key whose value is not the same on both sides; ``None``: there is no such key."""

    document: str
    key: str
    before: str | None
    after: str | None


def flattened(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a tree by its path (``modules.cloudHub.nodeLimit``), as JSON; a list is one leaf."""
    if isinstance(tree, dict) and (tree or not path):
        for key, value in tree.items():
            yield from flattened(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, json.dumps(tree, ensure_ascii=False, sort_keys=True)


def differences(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """The keys of two versions of a document that differ; what is withheld on either side is not compared.

    Of a secret only that it is another one is told.
    """
    pairs = ((key, before.get(key), after.get(key)) for key in sorted({*before, *after}))
    return [
        Difference(name, key, _shown(old, SECRET), _shown(new, CHANGED if old is not None else SECRET))
        for key, old, new in pairs
        if old != new and _comparable(old, new)
    ]


def _comparable(old: str | None, new: str | None) -> bool:
    hidden = [value for value in (old, new) if _is_hidden(value)]
    if len(hidden) == 1:  # it came or went; else a redactor of another version was at work
        return old in _NOTHING or new in _NOTHING
    keys = {value.split(":")[1] if value.startswith(KEYED) else value for value in map(str, hidden)}
    return not hidden or (len(keys) == 1 and WITHHELD not in keys)


def _is_hidden(value: str | None) -> bool:
    return value is not None and (value == WITHHELD or value.startswith(KEYED))


def _shown(value: str | None, secret: str) -> str | None:
    return secret if _is_hidden(value) else value
