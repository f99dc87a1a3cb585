"""Which KubeEdge release the edgecore of a host is."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Unavailable, fact
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.parsers.releases import Release, parse

__all__ = ["EdgecoreRelease"]

_STARTED = "Version: "


@dataclass(frozen=True, slots=True)
class EdgecoreRelease:
    """``release`` is ``None`` if nothing on the host says which one it is, or if what it says is no release.

    ``text`` is the version as edgecore or its file writes it, or empty.
    """

    release: Release | None
    text: str


@fact
def edgecore_release(log: EdgecoreLog | Unavailable, config: EdgecoreConfig | Unavailable) -> EdgecoreRelease:
    """What edgecore said when it started, or without that ``edgecoreVersion``, which edgecore.yaml holds from 1.21 on (versions.md §3)."""
    line = None if isinstance(log, Unavailable) else log.newest(_STARTED)
    text = line.message.partition(_STARTED)[2].strip() if line is not None else ""
    if not text and not isinstance(config, Unavailable):
        text = str(config.document.data.get("edgecoreVersion") or "")
    return EdgecoreRelease(parse(text), text)
