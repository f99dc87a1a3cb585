"""edgecore on one edge host: its unit and process, its configuration file, and what that file means (facts.md §2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from kedoctor.api import (
    File,
    Host,
    HostContext,
    Identity,
    Process,
    Processes,
    Reason,
    Unavailable,
    Unit,
    fact,
    patterns,
)
from kedoctor.api.yaml import YamlDocument, YamlError, load
from kedoctor.checks.parsers.config.schema import EDGECORE, Violation, effective
from kedoctor.checks.parsers.host_port import HostPort, parse_host_port

__all__ = [
    "CONFIG_PATH",
    "ROTATE_KEY",
    "UNIT_NAME",
    "EdgeName",
    "EdgecoreConfig",
    "EdgecoreFile",
    "EdgecoreUnit",
    "edge_name",
    "edgecore_config",
    "edgecore_file",
    "edgecore_unit",
]

CONFIG_PATH = "/etc/kubeedge/config/edgecore.yaml"
UNIT_NAME = "edgecore.service"
ROTATE_KEY = "modules.edgeHub.rotateCertificates"
"""Whether edgecore renews its certificate before it ends."""

_WRITTEN_NAME = patterns.compiled(r"^[ \t]+hostnameOverride:[ \t]*[\"']?([\w.-]+)", patterns.MULTILINE)


@dataclass(frozen=True, slots=True)
class EdgecoreUnit:
    """edgecore as systemd and the process table see it; either may be unavailable."""

    unit: Unit | Unavailable
    process: Process | None
    table: Processes | Unavailable

    @property
    def runs(self) -> bool | None:
        """Whether there is an edgecore process; ``None`` if nobody could say."""
        if self.process is not None:
            return True
        if not isinstance(self.table, Unavailable):
            return False
        return None if isinstance(self.unit, Unavailable) else self.unit.main_pid > 0

    @property
    def started(self) -> datetime | None:
        """When the present process started (aware UTC), as far as known."""
        if self.process is not None and self.process.started is not None:
            return self.process.started
        if isinstance(self.unit, Unavailable) or self.unit.active_state != "active":
            return None
        return self.unit.started

    @property
    def known(self) -> bool:
        """Whether this host has edgecore at all: a unit or a process."""
        return self.process is not None or not (
            isinstance(self.unit, Unavailable) or self.unit.load_state == "not-found"
        )

    @property
    def changing(self) -> bool:
        """Whether systemd is just stopping it, as in the middle of a restart."""
        return not isinstance(self.unit, Unavailable) and self.unit.active_state in (
            "deactivating",
            "reloading",
        )

    @property
    def waits_for_restart(self) -> bool:
        """Whether it has ended and systemd is going to start it again, or is just doing so."""
        return not isinstance(self.unit, Unavailable) and self.unit.active_state == "activating"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line of the process, or else of the unit; empty if neither is known."""
        if self.process is not None:
            return self.process.argv
        return () if isinstance(self.unit, Unavailable) else self.unit.exec_start


@fact
def edgecore_unit(host: Host) -> EdgecoreUnit:
    """The unit ``edgecore.service`` and the process named edgecore."""
    table = host.processes()
    found = None if isinstance(table, Unavailable) else next(filter(_is_edgecore, table.items), None)
    return EdgecoreUnit(host.unit(UNIT_NAME), found, table)


def _is_edgecore(process: Process) -> bool:
    return process.name == "edgecore" or bool(
        process.argv and PurePosixPath(process.argv[0]).name == "edgecore"
    )


@dataclass(frozen=True, slots=True)
class EdgecoreFile:
    """The configuration file of edgecore: its bytes or why not, and the document or where it breaks.

    ``document`` and ``error`` are both ``None`` when ``file`` is unavailable or was not read to its end.
    """

    path: str
    file: File | Unavailable
    document: YamlDocument | None = None
    error: YamlError | None = None


@fact
def edgecore_file(host: Host, unit: EdgecoreUnit) -> EdgecoreFile:
    """``/etc/kubeedge/config/edgecore.yaml``, or what edgecore's ``--config`` names (facts.md §2.1)."""
    path = _config_path(unit.arguments)
    file = host.read(path)
    if isinstance(file, Unavailable) or file.truncated:
        return EdgecoreFile(path, file)
    try:
        return EdgecoreFile(path, file, document=load(file.data))
    except YamlError as error:
        return EdgecoreFile(path, file, error=error)


def _config_path(arguments: tuple[str, ...]) -> str:
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in ("--config", "-config"):
            if equals:
                return value
            if index + 1 < len(arguments):
                return arguments[index + 1]
    return CONFIG_PATH


@dataclass(frozen=True, slots=True)
class EdgeName:
    """The name of the Node that this edge host is."""

    name: str


@fact
def edge_name(vantage: HostContext, host: Host, file: EdgecoreFile) -> EdgeName:
    """``hostnameOverride`` as edgecore.yaml has it (even if the file is broken elsewhere), otherwise the host name."""
    if isinstance(file.file, File):
        written = _WRITTEN_NAME.search(file.file.text())
        if file.document is not None:
            value = file.document.value("modules.edged.hostnameOverride")
            if isinstance(value, str) and value:
                return EdgeName(value)
        elif written is not None:
            return EdgeName(written[1])
    identity = host.identity()
    return EdgeName(identity.hostname if isinstance(identity, Identity) else vantage.name)


@dataclass(frozen=True, slots=True)
class EdgecoreConfig:
    """What edgecore makes of its file: code defaults, overlaid with what is written (facts.md §2.2).

    ``values`` is the effective tree, ``violations`` is what in the file does not fit the v1alpha2 schema. Typed
    attributes give the default's type even where the file holds something else (KE201 then fails).
    """

    path: str
    document: YamlDocument
    values: dict[str, Any]
    violations: tuple[Violation, ...]
    node_name: str

    def value(self, path: str) -> Any:
        """The effective value at a dotted ``path``; ``None`` if neither the file nor the defaults have one."""
        found: Any = self.values
        for part in path.split("."):
            if not isinstance(found, dict) or part not in found:
                return None
            found = found[part]
        return found

    def text(self, path: str) -> str:
        """The effective value as text; empty for anything but a string."""
        value = self.value(path)
        return value if isinstance(value, str) else ""

    def flag(self, path: str) -> bool:
        """Whether the effective value is true."""
        return self.value(path) is True

    def number(self, path: str) -> int:
        """The effective value as an integer; 0 for anything else."""
        value = self.value(path)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def line(self, path: str) -> int | None:
        """The line on which the key is written, from 1; ``None`` for a default."""
        position = self.document.position(path)
        return position.line if position else None

    @property
    def stream_enabled(self) -> bool:
        """``modules.edgeStream.enable``; false unless written."""
        return self.flag("modules.edgeStream.enable")

    @property
    def stream_server(self) -> HostPort | None:
        """``modules.edgeStream.server``: what edgecore dials for the tunnel."""
        return parse_host_port(self.text("modules.edgeStream.server"))

    @property
    def hub_server(self) -> HostPort | None:
        """Where edgeHub dials: the websocket server, or quic's if that is the one switched on."""
        quic = self.flag("modules.edgeHub.quic.enable") and not self.flag("modules.edgeHub.websocket.enable")
        return parse_host_port(self.text(f"modules.edgeHub.{'quic' if quic else 'websocket'}.server"))

    @property
    def http_server(self) -> HostPort | None:
        """``modules.edgeHub.httpServer``, where certificates come from; port 443 if none is written."""
        return parse_host_port(self.text("modules.edgeHub.httpServer"), 443)

    def cloud_servers(self) -> tuple[tuple[str, HostPort], ...]:
        """The TCP servers that edgecore dials: ``hub``, ``https`` and, if edgeStream is on, ``tunnel``."""
        wanted = {
            "hub": self.hub_server if self.flag("modules.edgeHub.websocket.enable") else None,
            "https": self.http_server,
            "tunnel": self.stream_server if self.stream_enabled else None,
        }
        return tuple((role, server) for role, server in wanted.items() if server and server.port)


@fact
def edgecore_config(file: EdgecoreFile, name: EdgeName) -> EdgecoreConfig | Unavailable:
    """The effective configuration; unavailable if the file is not there or cannot be understood."""
    if isinstance(file.file, Unavailable):
        return file.file
    if file.document is None:
        detail = str(file.error) if file.error else "it is larger than 1 MiB"
        return Unavailable(Reason.INVALID, file.path, detail)
    values, violations = effective(EDGECORE, file.document)
    return EdgecoreConfig(file.path, file.document, values, tuple(violations), name.name)
