"""A machine of the sandbox as a source: its files on disk, the cluster over HTTPS, the rest as recorded and played."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kedoctor.base.atomic_files import replace_file
from kedoctor.base.records import replace
from kedoctor.evidence.replay import ReplaySource
from kedoctor.model.fake_services import HostChange
from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.logs import LogText, ReadJournal, ReadPodLog
from kedoctor.model.observations.machine import Now, ReadClock
from kedoctor.model.observations.network import ListSockets
from kedoctor.model.observations.processes import ListProcesses
from kedoctor.model.observations.request import Reason, Request, Source, Unavailable
from kedoctor.model.observations.units import ReadUnit
from kedoctor.model.observations.wire import GetHttp, OpenTcp, OpenTls
from kedoctor.observe.live.files import FileTree

__all__ = ["SandboxClock", "SandboxHost"]

_KERNEL = ("/proc/", "/sys/")


@dataclass(frozen=True, slots=True)
class SandboxClock:
    """The time in the sandbox: that of the recording when it was opened, running on from there."""

    recorded: datetime
    opened: float

    @property
    def offset(self) -> float:
        """Seconds to add to this machine's clock."""
        return self.recorded.timestamp() - self.opened

    def now(self) -> datetime:
        """The time, aware UTC."""
        return self.of(time.time())

    def of(self, moment: float) -> datetime:
        """What time it was in the sandbox at a moment of this machine's clock."""
        return datetime.fromtimestamp(moment, UTC) + timedelta(seconds=self.offset)


class SandboxHost:
    """One machine. What was not recorded stays not recorded, except what somebody put there since.

    ``whole`` holds the kinds and namespaces of which the cluster is known to hold everything.
    """

    def __init__(
        self, recorded: ReplaySource, *, root: str, clock: SandboxClock, cluster: Source | None
    ) -> None:
        self.recorded = recorded
        self.root = root
        self._clock = clock
        self._cluster = cluster
        self._tree = FileTree(root)
        self._lock = threading.Lock()
        self._scene = HostChange()
        self.whole: set[tuple[str, str]] = set()
        self._unpacked: dict[str, FileMetadata] = {}
        self._unpack()

    @property
    def name(self) -> str:
        """Its host name."""
        return self.recorded.manifest.host

    def play(self, scene: HostChange) -> None:
        """Lets what a stand-in changes be seen from now on."""
        with self._lock:
            now = self._scene
            text = {name: now.journal.get(name, "") + more for name, more in scene.journal.items()}
            for path, data in scene.files.items():
                self._fill(path, data)
            self._scene = HostChange(
                processes=scene.processes or now.processes,
                sockets=scene.sockets or now.sockets,
                units={**now.units, **scene.units},
                journal={**now.journal, **text},
                ports={**now.ports, **scene.ports},
                pages={**now.pages, **scene.pages},
                gap=scene.gap or now.gap,
            )

    def observe(self, request: Request) -> Any:
        """The answer as the sandbox has it."""
        match request:
            case ReadFile() | StatFile() | FindFiles():
                return self._of_files(request)
            case ListObjects() | GetPath() | ReadPodLog() | ReviewAccess():
                return self._of_cluster(request)
            case ReadClock():
                return Now(self._clock.now())
        with self._lock:
            scene = self._scene
        played = _played(scene, request)
        if played is not None:
            return played
        answer = self._recorded(request)
        if isinstance(request, ReadJournal) and (more := scene.journal.get(request.unit)):
            return _longer(answer, more, request.lines)
        return answer

    def _recorded(self, request: Request) -> Any:
        """What the recording says; what it does not hold, as the sandbox was furnished with it."""
        answer = self.recorded.observe(request)
        if isinstance(answer, Unavailable) and answer.reason is Reason.NOT_RECORDED and self._scene.gap:
            added = self._scene.gap(request)
            return answer if added is None else added
        return answer

    # ------------------------------------------------------------------------------------------ files

    def _unpack(self) -> None:
        """Writes every file that was recorded, with its mode and time; what the kernel makes up is left out."""
        for request, answer in self.recorded.entries():
            whole = isinstance(answer, File) and not answer.truncated
            if isinstance(request, ReadFile) and whole and not request.path.startswith(_KERNEL):
                self._write(request.path, answer)

    def _fill(self, path: str, data: bytes) -> None:
        """Puts a file where the recording says nothing at all."""
        recorded = self.recorded.observe(ReadFile(path))
        if isinstance(recorded, Unavailable) and recorded.reason is Reason.NOT_RECORDED:
            made = self._clock.recorded
            metadata = FileMetadata(path, "file", 0o644, 0, 0, len(data), made)
            self._write(path, File(metadata, data))

    def _write(self, path: str, file: File) -> None:
        place = self._tree.place(path)
        replace_file(Path(place), file.data, mode=file.metadata.mode, alone=False, make=True, sync=False)
        modified = file.metadata.modified.timestamp()
        os.utime(place, (modified, modified))
        self._unpacked[path] = file.metadata

    def _of_files(self, request: ReadFile | StatFile | FindFiles) -> Any:
        recorded = self._recorded(request)
        if isinstance(request, FindFiles):
            return recorded if isinstance(recorded, Unavailable) else self._matches(request, recorded)
        if request.path.startswith(_KERNEL):
            return recorded
        live = self._tree.read(request) if isinstance(request, ReadFile) else self._tree.stat(request)
        if isinstance(live, Unavailable):
            return live if request.path in self._unpacked or live.reason is not Reason.ABSENT else recorded
        if isinstance(live, File):
            return replace(live, metadata=self._translated(live.metadata))
        return self._translated(live)

    def _matches(self, request: FindFiles, recorded: Files) -> Files | Unavailable:
        """What matches now: the files that lie there, and those of which only the metadata were recorded."""
        live = self._tree.find(request)
        if isinstance(live, Unavailable):
            return live
        here = {one.path: self._translated(one) for one in live.entries}
        told = {one.path: one for one in recorded.entries if one.path not in self._unpacked}
        return Files(tuple(one for _, one in sorted({**told, **here}.items())), recorded.truncated)

    def _translated(self, live: FileMetadata) -> FileMetadata:
        """The metadata as it is in the sandbox: its time, and root's files where only root can make such."""
        was = self._unpacked.get(live.path)
        if was is None or abs(live.modified - was.modified) > timedelta(milliseconds=1):
            live = replace(live, modified=self._clock.of(live.modified.timestamp()))
        if was is not None and live.uid == os.geteuid():
            live = replace(live, uid=was.uid, gid=was.gid)
        return live

    # ---------------------------------------------------------------------------------------- cluster

    def _of_cluster(self, request: Request) -> Any:
        # The sandbox's API server holds what was recorded, so that an empty list of something else means nothing.
        recorded = self._recorded(request)
        whole = isinstance(request, ListObjects) and (request.kind, request.namespace) in self.whole
        held = self.recorded.observe(request)
        if self._cluster is None or (isinstance(held, Unavailable) and not whole):
            return recorded
        return self._cluster.observe(request)


def _played(scene: HostChange, request: Request) -> Any:
    match request:
        case ListProcesses():
            return scene.processes
        case ListSockets():
            return scene.sockets
        case ReadUnit():
            return scene.units.get(request.name)
        case OpenTcp():
            found = scene.ports.get((request.host, request.port))
            return found and found[0]
        case OpenTls():
            found = scene.ports.get((request.host, request.port))
            return found and found[1]
        case GetHttp():
            return scene.pages.get((request.url, request.host_header))
    return None


def _longer(recorded: object, more: str, lines: int) -> LogText:
    before = recorded if isinstance(recorded, LogText) else LogText("")
    kept = (before.text + more).splitlines(keepends=True)
    return LogText("".join(kept[-lines:]), truncated=before.truncated or len(kept) > lines)
