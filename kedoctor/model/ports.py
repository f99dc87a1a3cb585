"""The four ports through which everything is seen: Host, Cluster, Wire and Clock.

A port turns a method call into a request for its source. Facts receive ports; nothing else does. Each method
gives the answer or :class:`~kedoctor.model.observations.request.Unavailable`; none of them raises for what the world does.
"""

from __future__ import annotations

from typing import TypeVar, cast

from kedoctor.model.objects import Object
from kedoctor.model.observations.apiserver import AccessReview, ApiAnswer, GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog, StreamedAnswer
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.inputs import ReadOfflineBundle, ReadSetting, Setting
from kedoctor.model.observations.logs import LogText, ReadJournal, ReadPodLog
from kedoctor.model.observations.machine import (
    Identity,
    Now,
    ReadClock,
    ReadIdentity,
    ReadResources,
    Resources,
)
from kedoctor.model.observations.network import Addresses, ListAddresses, ListSockets, Sockets
from kedoctor.model.observations.processes import ListProcesses, Processes
from kedoctor.model.observations.request import Source, Unavailable
from kedoctor.model.observations.tools import ReadLegacyTable, RunTool, ToolOutput
from kedoctor.model.observations.units import ReadUnit, Unit
from kedoctor.model.observations.wire import Connection, GetHttp, HttpAnswer, OpenTcp, OpenTls, TlsPeer
from kedoctor.model.offline_bundle import OfflineBundle

__all__ = ["Clock", "Cluster", "Host", "Port", "Wire"]

Kind = TypeVar("Kind", bound=Object)


class Port:
    """Something to ask; what answers is decided where the site is put together."""

    __slots__ = ("source",)

    def __init__(self, source: Source) -> None:
        self.source = source


class Host(Port):
    """One machine: its files, processes, sockets, units and read-only tools."""

    __slots__ = ()

    def read(self, path: str, *, limit: int = 1 << 20, from_end: bool = False) -> File | Unavailable:
        """A file's bytes and metadata."""
        return cast("File | Unavailable", self.source.observe(ReadFile(path, limit, from_end)))

    def stat(self, path: str) -> FileMetadata | Unavailable:
        """A path's metadata, links not followed."""
        return cast("FileMetadata | Unavailable", self.source.observe(StatFile(path)))

    def find(self, pattern: str) -> Files | Unavailable:
        """Everything that matches an absolute glob; no match is an empty answer."""
        return cast("Files | Unavailable", self.source.observe(FindFiles(pattern)))

    def processes(self) -> Processes | Unavailable:
        """The process table."""
        return cast("Processes | Unavailable", self.source.observe(ListProcesses()))

    def sockets(self) -> Sockets | Unavailable:
        """All TCP sockets with their owners."""
        return cast("Sockets | Unavailable", self.source.observe(ListSockets()))

    def addresses(self) -> Addresses | Unavailable:
        """Interface addresses and the default route."""
        return cast("Addresses | Unavailable", self.source.observe(ListAddresses()))

    def resources(self, path: str = "/") -> Resources | Unavailable:
        """CPUs, memory, and the disk that holds ``path``."""
        return cast("Resources | Unavailable", self.source.observe(ReadResources(path)))

    def identity(self) -> Identity | Unavailable:
        """Which machine this is and as whom we look."""
        return cast("Identity | Unavailable", self.source.observe(ReadIdentity()))

    def unit(self, name: str) -> Unit | Unavailable:
        """A systemd unit; one that systemd does not know has ``load_state`` ``not-found``."""
        return cast("Unit | Unavailable", self.source.observe(ReadUnit(name)))

    def journal(self, unit: str, *, lines: int = 2000) -> LogText | Unavailable:
        """The last lines of a unit's journal."""
        return cast("LogText | Unavailable", self.source.observe(ReadJournal(unit, lines)))

    def run(self, tool: str, *arguments: str, timeout: float = 10.0) -> ToolOutput | Unavailable:
        """What a read-only program prints; a non-zero exit code is an answer, not an error."""
        return cast("ToolOutput | Unavailable", self.source.observe(RunTool(tool, arguments, timeout)))

    def offline_bundle(
        self, path: str, *, sums: bool = True, timeout: float = 300.0
    ) -> OfflineBundle | Unavailable:
        """What the offline bundle at ``path`` holds; ``sums`` reads every byte and compares checksums."""
        request = ReadOfflineBundle(path, sums, timeout)
        return cast("OfflineBundle | Unavailable", self.source.observe(request))

    def legacy_table(self, table: str = "nat") -> LogText | Unavailable:
        """A legacy netfilter table in ``iptables-save`` syntax, where no ``iptables-legacy-save`` is at hand."""
        return cast("LogText | Unavailable", self.source.observe(ReadLegacyTable(table)))

    def setting(self, name: str) -> Setting | Unavailable:
        """What the command line says for a parameter of an install; ``Unavailable(not-given)`` if nothing."""
        return cast("Setting | Unavailable", self.source.observe(ReadSetting(name)))


class Cluster(Port):
    """The Kubernetes API of the site."""

    __slots__ = ()

    def list(
        self, kind: type[Kind], *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> tuple[Kind, ...] | Unavailable:
        """All objects of a kind, page by page; an API group that is not served is ``Unavailable(absent)``."""
        request = ListObjects(kind.__name__, namespace, label_selector, field_selector)
        return cast("tuple[Kind, ...] | Unavailable", self.source.observe(request))

    def get(
        self, path: str, *, accept: str = "application/json", timeout: float = 10.0
    ) -> ApiAnswer | Unavailable:
        """The API server's raw answer to a path."""
        return cast("ApiAnswer | Unavailable", self.source.observe(GetPath(path, accept, timeout)))

    def pod_log(
        self, namespace: str, pod: str, container: str = "", *, lines: int = 500, previous: bool = False
    ) -> LogText | Unavailable:
        """The last log lines of a container."""
        request = ReadPodLog(namespace, pod, container, lines, previous)
        return cast("LogText | Unavailable", self.source.observe(request))

    def answer_log(
        self, namespace: str, pod: str, container: str = "", *, lines: int = 20, timeout: float = 10.0
    ) -> StreamedAnswer | Unavailable:
        """What the path to a container answers when its log is asked for; unavailable only without an API server."""
        request = FollowPodLog(namespace, pod, container, lines, timeout)
        return cast("StreamedAnswer | Unavailable", self.source.observe(request))

    def exec(
        self, namespace: str, pod: str, *command: str, container: str = "", timeout: float = 10.0
    ) -> StreamedAnswer | Unavailable:
        """What one harmless command in a container writes; unavailable only without an API server."""
        request = ExecInPod(namespace, pod, command, container, timeout)
        return cast("StreamedAnswer | Unavailable", self.source.observe(request))

    def attach(
        self, namespace: str, pod: str, container: str = "", *, until: str = "", timeout: float = 10.0
    ) -> StreamedAnswer | Unavailable:
        """What a container writes until ``until`` was seen; unavailable only without an API server."""
        request = AttachToPod(namespace, pod, container, until, timeout)
        return cast("StreamedAnswer | Unavailable", self.source.observe(request))

    def may(
        self,
        verb: str,
        resource: str,
        *,
        group: str = "",
        subresource: str = "",
        namespace: str = "",
        user: str = "",
    ) -> AccessReview | Unavailable:
        """Whether the current user (or ``user``) may do it."""
        request = ReviewAccess(verb, resource, group, subresource, namespace, user)
        return cast("AccessReview | Unavailable", self.source.observe(request))


class Wire(Port):
    """The network as this machine sees it: connections, TLS peers, single GETs. Never a websocket upgrade."""

    __slots__ = ()

    def connect(self, host: str, port: int, *, timeout: float = 5.0) -> Connection | Unavailable:
        """A TCP connection, closed at once; refused, time-out and no route are told apart by the reason."""
        return cast("Connection | Unavailable", self.source.observe(OpenTcp(host, port, timeout)))

    def tls(
        self, host: str, port: int, *, server_name: str = "", timeout: float = 5.0
    ) -> TlsPeer | Unavailable:
        """The certificates a TLS server shows; a plain-HTTP server is ``Unavailable(invalid)``."""
        return cast("TlsPeer | Unavailable", self.source.observe(OpenTls(host, port, server_name, timeout)))

    def get(
        self, url: str, *, host_header: str = "", accept: str = "*/*", timeout: float = 10.0
    ) -> HttpAnswer | Unavailable:
        """The answer to one GET over HTTP or (unverified) HTTPS."""
        request = GetHttp(url, host_header, accept, timeout)
        return cast("HttpAnswer | Unavailable", self.source.observe(request))


class Clock(Port):
    """The machine's own clock."""

    __slots__ = ()

    def now(self) -> Now | Unavailable:
        """The time the machine believes it is."""
        return cast("Now | Unavailable", self.source.observe(ReadClock()))
