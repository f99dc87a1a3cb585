"""``kedoctor collect``: looking at everything any fact needs, and writing it into one redacted bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kedoctor.evidence.bundle import EvidenceManifest, EvidenceWriter
from kedoctor.evidence.recording import RecordingSource
from kedoctor.model.declarations import EvidenceRules
from kedoctor.model.observations.machine import Identity
from kedoctor.model.observations.request import Source
from kedoctor.model.ports import Host
from kedoctor.observe.memo import MemoSource

__all__ = ["Collected", "collect"]


@dataclass(frozen=True, slots=True)
class Collected:
    """A bundle that was written; ``withheld`` items could not be redacted safely (the command then exits 3)."""

    path: Path
    manifest: EvidenceManifest

    @property
    def withheld(self) -> int:
        """How many items were left out because they could not be redacted safely."""
        return self.manifest.withheld


def collect(
    look: Callable[[MemoSource], Sequence[str]],
    source: Source,
    path: Path,
    rules: Sequence[EvidenceRules],
    *,
    host: str = "",
    salt: bytes | None = None,
    created: datetime | None = None,
) -> Collected:
    """Writes everything that ``look`` asks for into the bundle ``path``.

    ``look`` is given a source to ask, makes every fact from it, and returns the names of the sides that the host is.
    ``host`` is the name of the host (empty: its host name). ``salt`` and ``created`` are for reproducible tests.

    Raises:
        OutputError: the bundle cannot be written, or a secret would have been left in it. Nothing is kept then.
    """
    redactions = [rule for plugin in rules for rule in plugin.redactions]
    writer = EvidenceWriter(path, redactions, salt=salt, created=created)
    try:
        memo = MemoSource(RecordingSource(source, writer, rules))
        identity = Host(memo).identity()
        sides = look(memo)
        known = identity if isinstance(identity, Identity) else None
        name = host or (known.hostname if known else "this host")
        return Collected(path, writer.finish(host=name, identity=known, sides=sides))
    except BaseException:
        writer.discard()
        raise
