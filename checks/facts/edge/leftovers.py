"""What is left on a host by tools that ended early, by wide permissions, and under edgecore's database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from kedoctor.api import FileMetadata, Files, Host, Reason, Unavailable, fact
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit

__all__ = ["LOCK_PATH", "DatabaseHome", "KeadmLeftovers", "SecretFiles"]

LOCK_PATH = "/etc/kubeedge/idempotency_record"
"""The lock of keadm's upgrades and configuration changes (facts.md §6.1)."""

_SECRETS = (
    "/etc/kubeedge/certs/*.key",
    "/etc/kubeedge/ca/*.key",
    "/etc/kubeedge/bootstrap-edgecore.conf",
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/kubernetes/*.conf",
    "/etc/kubernetes/pki/*.key",
    "/var/lib/rancher/k3s/server/token",
    "/var/lib/rancher/k3s/server/node-token",
)


@dataclass(frozen=True, slots=True)
class KeadmLeftovers:
    """keadm's lock file, and whether a keadm runs that may hold it (``None``: not known)."""

    lock: FileMetadata | Unavailable
    keadm_runs: bool | None


@fact
def keadm_leftovers(host: Host, unit: EdgecoreUnit) -> KeadmLeftovers:
    """Looks for the lock and for a process named keadm."""
    runs = None
    if not isinstance(unit.table, Unavailable):
        runs = any(one.name == "keadm" for one in unit.table.items)
    return KeadmLeftovers(host.stat(LOCK_PATH), runs)


@dataclass(frozen=True, slots=True)
class DatabaseHome:
    """The directory of edgecore's sqlite database; the database itself is never touched (facts.md §10.3)."""

    path: str
    directory: FileMetadata | Unavailable


@fact
def database_home(host: Host, config: EdgecoreConfig) -> DatabaseHome:
    """The directory of ``database.dataSource`` (facts.md §2.2)."""
    directory = str(
        PurePosixPath(config.text("database.dataSource") or "/var/lib/kubeedge/edgecore.db").parent
    )
    return DatabaseHome(directory, host.stat(directory))


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """Files that hold keys, tokens or cluster credentials: those that were found, those that every user can read.

    ``unread`` are places that could not be looked at.
    """

    found: tuple[FileMetadata, ...] = ()
    open: tuple[FileMetadata, ...] = ()
    unread: tuple[Unavailable, ...] = ()


@fact
def secret_files(host: Host) -> SecretFiles:
    """Metadata only; a file in a directory that others cannot enter is not open."""
    found: list[FileMetadata] = []
    unread: list[Unavailable] = []
    for pattern in _SECRETS:
        answer = host.find(pattern) if "*" in pattern else host.stat(pattern)
        if isinstance(answer, Files):
            found += [one for one in answer.entries if one.kind == "file"]
        elif isinstance(answer, FileMetadata):
            found += [answer] if answer.kind == "file" else []
        elif answer.reason is not Reason.ABSENT:
            unread.append(answer)
    return SecretFiles(tuple(found), tuple(_open(host, found)), tuple(unread))


def _open(host: Host, files: list[FileMetadata]) -> Iterator[FileMetadata]:
    for one in files:
        if not one.mode & 0o004:
            continue
        parent = host.stat(str(PurePosixPath(one.path).parent))
        if isinstance(parent, Unavailable) or parent.kind != "directory" or parent.mode & 0o001:
            yield one
