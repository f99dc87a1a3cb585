"""Backups: the settings of a site in a directory, without secrets, whole or not at all.

::

    20261125T164500Z-3f2a/
        manifest.json           what is kept, when, by which kedoctor, and the values to compare with later
        NAME.yaml               each document as text
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from kedoctor import __version__
from kedoctor.base.atomic_files import make_directory, rename, replace_file
from kedoctor.base.errors import ConfigurationError, OutputError, UsageError
from kedoctor.base.input_files import read_given
from kedoctor.base.records import RecordError, decode, encode_pretty
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations.files import File, FileMetadata
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.settings import BackupManifest, KeptDocument, SettingsDocument
from kedoctor.redaction.redactor import Redactor

__all__ = ["MANIFEST", "new_id", "read_backup", "without_secrets", "write_backup"]

MANIFEST = "manifest.json"
_MAX_BYTES = 16 << 20


def new_id(now: datetime) -> str:
    """A name for a backup that is made now."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def without_secrets(
    documents: Mapping[str, SettingsDocument], rules: Sequence[RedactionRule]
) -> tuple[list[tuple[SettingsDocument, str]], list[str]]:
    """Each document with the text that may be written; and the names of those that could not be made safe."""
    redactor = Redactor(rules)
    safe: list[tuple[SettingsDocument, str]] = []
    withheld: list[str] = []
    for name, document in sorted(documents.items()):
        clean = redactor.redact(document.evidence, _file(document)).answer
        if isinstance(clean, Unavailable):
            withheld.append(name)
        else:
            safe.append((document, clean.text()))
    return safe, withheld


def write_backup(
    directory: Path,
    documents: Sequence[tuple[SettingsDocument, str]],
    values: Mapping[str, Mapping[str, str]],
    *,
    now: datetime,
    host: str,
) -> BackupManifest:
    """Writes documents, with texts and values (by name) that hold no secret, into a new directory (mode 0700).

    Raises:
        UsageError: it exists.
        OutputError: it could not be written; nothing is left of it.
    """
    if directory.exists():
        raise UsageError(f"{directory} exists already", hint="name another directory")
    kept = tuple(
        KeptDocument(one.name, f"{number:02}-{one.title}", dict(values[one.name]))
        for number, (one, _) in enumerate(documents, 1)
    )
    manifest = BackupManifest(id=directory.name, created=now, host=host, tool=__version__, documents=kept)
    beside = directory.with_name(f".kedoctor-{secrets.token_hex(8)}.partial")
    try:
        make_directory(beside, alone=False)
        for entry, (_, text) in zip(kept, documents, strict=True):
            replace_file(beside / entry.file, text.encode(), alone=False)
        replace_file(beside / MANIFEST, encode_pretty(manifest), alone=False)
        rename(beside, directory, alone=False)
    except OSError as error:
        raise OutputError(
            f"the backup {directory} could not be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return manifest


def read_backup(directory: Path) -> BackupManifest:
    """What a backup holds.

    Raises:
        ConfigurationError: it is none, or cannot be read.
    """
    path = directory / MANIFEST
    try:
        data = read_given(path, _MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ConfigurationError(f"{path} is too large to be a manifest")
        return decode(data, BackupManifest)
    except OSError as error:
        raise ConfigurationError(
            f"{directory} is not a backup: {path.name}: {error.strerror or error}"
        ) from error
    except RecordError as error:
        raise ConfigurationError(
            f"{directory} is not a backup that this kedoctor can read: {error}"
        ) from error


def _file(document: SettingsDocument) -> File:
    data = document.text.encode()
    metadata = FileMetadata(
        document.title, "file", 0o600, 0, 0, len(data), datetime.fromtimestamp(0).astimezone()
    )
    return File(metadata, data)
