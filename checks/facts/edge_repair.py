"""What repairs on an edge need beyond what checks judge: copies of edgecore.yaml, and a token left for a start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import File, Files, Host, Unavailable, fact
from kedoctor.checks.facts.edgecore import EdgecoreConfig, EdgecoreFile, EdgeName, edgecore_config
from kedoctor.yamldoc import YamlError, load

__all__ = [
    "BOOTSTRAP_PATH",
    "BootstrapToken",
    "EdgecoreCopies",
    "EdgecoreCopy",
    "bootstrap_token",
    "edgecore_copies",
]

BOOTSTRAP_PATH = "/etc/kubeedge/bootstrap-edgecore.conf"
"""Where edgecore looks for a token before it looks into edgecore.yaml (facts.md §2.1)."""

_MOST_COPIES = 20


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """The token file that keadm leaves during a join; ``text`` is empty if there is none or it was not read."""

    present: bool
    text: str


@fact
def bootstrap_token(host: Host) -> BootstrapToken:
    """``/etc/kubeedge/bootstrap-edgecore.conf``, which wins over ``modules.edgeHub.token`` (facts.md §2.1)."""
    file = host.read(BOOTSTRAP_PATH)
    if isinstance(file, File):
        return BootstrapToken(present=True, text=file.text().strip())
    return BootstrapToken(present=not isinstance(host.stat(BOOTSTRAP_PATH), Unavailable), text="")


@dataclass(frozen=True, slots=True)
class EdgecoreCopy:
    """A file beside edgecore.yaml that edgecore could start from: valid, complete, with the address of a cloud."""

    file: File
    config: EdgecoreConfig

    @property
    def path(self) -> str:
        """Where it lies."""
        return self.file.metadata.path


@dataclass(frozen=True, slots=True)
class EdgecoreCopies:
    """Usable copies of edgecore.yaml beside it, newest first."""

    items: tuple[EdgecoreCopy, ...]


@fact
def edgecore_copies(host: Host, file: EdgecoreFile) -> EdgecoreCopies:
    """What people, keadm and installers left: ``edgecore.yaml.bak``, ``edgecore.yaml~``, ``edgecore.yaml.keadm-original``."""
    found = host.find(f"{file.path}?*")
    entries = found.entries if isinstance(found, Files) else ()
    newest = sorted(
        (one for one in entries if one.kind == "file"), key=lambda one: one.modified, reverse=True
    )
    return EdgecoreCopies(tuple(_usable(host, [one.path for one in newest[:_MOST_COPIES]])))


def _usable(host: Host, paths: list[str]) -> Iterator[EdgecoreCopy]:
    for path in paths:
        file = host.read(path)
        config = None if isinstance(file, Unavailable) or file.truncated else _read(path, file)
        if isinstance(file, File) and config is not None and _complete(config):
            yield EdgecoreCopy(file, config)


def _read(path: str, file: File) -> EdgecoreConfig | None:
    try:
        document = load(file.data)
    except YamlError:
        return None
    name = document.value("modules.edged.hostnameOverride")
    read = edgecore_config(
        EdgecoreFile(path, file, document=document), EdgeName(name if isinstance(name, str) else "")
    )
    return None if isinstance(read, Unavailable) else read


def _complete(config: EdgecoreConfig) -> bool:
    names_a_cloud = config.hub_server is not None and bool(config.line("modules.edgeHub"))
    return names_a_cloud and not any(deviation.fatal for deviation in config.deviations)
