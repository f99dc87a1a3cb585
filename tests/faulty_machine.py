"""One machine of a faulty site: what was recorded of it, and what is different now (see :mod:`faulty_site`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from kedoctor.base.records import replace
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.machine import Now, ReadClock, ReadIdentity
from kedoctor.model.observations.network import Addresses, ListAddresses, ListSockets, Socket, Sockets
from kedoctor.model.observations.processes import ListProcesses, Process, Processes
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import RunTool, ToolOutput
from kedoctor.model.observations.units import ReadUnit, Unit
from kedoctor.plugins import Plugins, load_plugins

__all__ = ["Machine", "plugins", "recorded"]

FIXTURES = Path(__file__).parent / "fixtures"
BASE = "healthy-two-edges"
NOW = datetime(2026, 11, 23, 4, 8, 18, tzinfo=UTC)
CLOUD, EDGE, OTHER = "10.99.0.1", "10.99.0.2", "10.99.0.3"
NODE_PORT = 10358  # what the recorded cloudcore took
CONFIG = "/etc/kubeedge/config/edgecore.yaml"
TUNNEL, HUB, STREAM, EDGED = 10004, 10000, 10003, 10350
CLOUDCORE_PORTS = (10000, 10002, 10003, 10004, 9091)


@cache
def plugins() -> Plugins:
    """The built-in plugins, loaded once."""
    return load_plugins(directory=Path("/nonexistent"))


@cache
def recorded(host: str) -> ReplaySource:
    assert plugins().registry.checks  # only then are the kinds of objects known
    return ReplaySource(open_bundle(FIXTURES / BASE / f"{host}.tgz"))


class Machine:
    """One host: what was recorded of it (or of ``like``), and what is different now."""

    def __init__(self, name: str, like: str = "") -> None:
        self.name = name
        self.base = recorded(like or name)
        self.files: dict[str, bytes | Unavailable] = {}
        self.modes: dict[str, int] = {}
        self.found: dict[str, tuple[FileMetadata, ...]] = {}
        self.units: dict[str, Unit] = {}
        self.tools: dict[str, ToolOutput] = {}
        self.processes: list[Process] = list(self.base.observe(ListProcesses()).items)
        self.sockets: list[Socket] = list(self.base.observe(ListSockets()).items)
        self.addresses: Addresses = self.base.observe(ListAddresses())
        self.clock_ahead = timedelta(0)

    # ------------------------------------------------------------------------------------ changing it

    def content(self, path: str) -> bytes:
        """What the file holds now."""
        now = self.files.get(path)
        if isinstance(now, bytes):
            return now
        file = self.base.observe(ReadFile(path))
        assert isinstance(file, File), file
        return file.data

    def absent(self, *paths: str) -> None:
        """Takes files away."""
        for path in paths:
            self.files[path] = Unavailable(Reason.ABSENT, path, "it does not exist")

    def unit(self, name: str, **fields: Any) -> None:
        """A unit with other properties than it has."""
        known = self.units.get(name) or self.base.observe(ReadUnit(name))
        if isinstance(known, Unavailable):
            known = Unit(name, "loaded", "active", "running", "enabled")
        self.units[name] = replace(known, **fields)

    def says(self, tool: str, stdout: str = "", *, stderr: str = "", code: int = 0) -> None:
        """What a program prints, whatever its arguments."""
        self.tools[tool] = ToolOutput((f"/usr/bin/{tool}",), code, stdout, stderr)

    def close(self, *, port: int, listening: bool = False, peer: str = "") -> None:
        """Ends connections of (or listening on) a port."""

        def goes(one: Socket) -> bool:
            at_port = port in (one.local_port, one.remote_port)
            right = (one.state == "LISTEN") == listening
            return at_port and right and (not peer or one.remote_address == peer)

        self.sockets = [one for one in self.sockets if not goes(one)]

    def listen(self, address: str, port: int, process: str, pid: int) -> None:
        """A listener more."""
        self.sockets.append(Socket(address, port, "", 0, "LISTEN", pid, process))

    # ------------------------------------------------------------------------------------ looking at it

    def observe(self, request: Request) -> Any:
        """The answer, or ``None`` for what the site as a whole decides."""
        match request:
            case ReadClock():
                return Now(NOW + self.clock_ahead)
            case ReadFile(path=path) if path in self.files:
                data = self.files[path]
                return data if isinstance(data, Unavailable) else File(self._metadata(path), data)
            case StatFile(path=path) if path in self.files or path in self.modes:
                data = self.files.get(path, b"")
                return data if isinstance(data, Unavailable) else self._metadata(path)
            case FindFiles(pattern=pattern) if pattern in self.found:
                return Files(self.found[pattern])
            case ListProcesses():
                return Processes(tuple(self.processes))
            case ListSockets():
                return Sockets(tuple(self.sockets))
            case ListAddresses():
                return self.addresses
            case ReadIdentity():
                known = self.base.observe(request)
                return known if isinstance(known, Unavailable) else replace(known, hostname=self.name)
            case ReadUnit(name=name) if name in self.units:
                return self.units[name]
            case RunTool(tool=tool) if tool in self.tools:
                return self.tools[tool]
        return None

    def _metadata(self, path: str) -> FileMetadata:
        known = self.base.observe(StatFile(path))
        if isinstance(known, Unavailable):
            file = self.base.observe(ReadFile(path))
            kind = "socket" if path.endswith(".sock") else "file"
            usual = FileMetadata(path, kind, 0o600, 0, 0, 1, NOW - timedelta(hours=1))
            known = usual if isinstance(file, Unavailable) else file.metadata
        data = self.files.get(path)
        size = len(data) if isinstance(data, bytes) else known.size
        return replace(known, mode=self.modes.get(path, known.mode), size=size)
