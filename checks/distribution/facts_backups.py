"""Backups of settings that lie on a host, as ``kedoctor backup`` writes them."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import BackupManifest, File, Host, RecordError, Unavailable, decode, fact, require

__all__ = ["BACKUPS", "ConfigBackups"]

BACKUPS = "/var/lib/kedoctor/backups"
"""Where root's backups lie."""

_NEWEST = 5


@dataclass(frozen=True, slots=True)
class ConfigBackups:
    """What the backups on a host hold, the newest first."""

    manifests: tuple[BackupManifest, ...] = ()


@fact
def config_backups(host: Host) -> ConfigBackups:
    """The newest few; one that cannot be understood is none."""
    found = require(host.find(f"{BACKUPS}/*/manifest.json"))
    read = []
    # Their directories are named by the time at which they were made.
    for entry in sorted(found.entries, key=lambda one: one.path, reverse=True)[:_NEWEST]:
        file = host.read(entry.path)
        if isinstance(file, Unavailable):
            continue
        manifest = _decoded(file)
        if manifest is not None:
            read.append(manifest)
    return ConfigBackups(tuple(sorted(read, key=lambda one: one.created, reverse=True)))


def _decoded(file: File) -> BackupManifest | None:
    try:
        return decode(file.data, BackupManifest)
    except RecordError:
        return None
