"""The four ports through which everything is seen: Host, Cluster, Wire and Clock.

A port turns a method call into a request for its source. Facts receive ports; nothing else does. Each method
gives the answer or :class:`~kedoctor.model.observations.Unavailable`; none of them raises for what the world does.
"""

from __future__ import annotations

from typing import TypeVar, cast

from kedoctor.model import observations as o
from kedoctor.model.objects import Object
from kedoctor.model.observations import Source, Unavailable

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

    def read(self, path: str, *, limit: int = 1 << 20, from_end: bool = False) -> o.File | Unavailable:
        """A file's bytes and metadata."""
        return cast("o.File | Unavailable", self.source.observe(o.ReadFile(path, limit, from_end)))

    def stat(self, path: str) -> o.FileMetadata | Unavailable:
        """A path's metadata, links not followed."""
        return cast("o.FileMetadata | Unavailable", self.source.observe(o.StatFile(path)))

    def find(self, pattern: str) -> o.Files | Unavailable:
        """Everything that matches an absolute glob; no match is an empty answer."""
        return cast("o.Files | Unavailable", self.source.observe(o.FindFiles(pattern)))

    def processes(self) -> o.Processes | Unavailable:
        """The process table."""
        return cast("o.Processes | Unavailable", self.source.observe(o.ListProcesses()))

    def sockets(self) -> o.Sockets | Unavailable:
        """All TCP sockets with their owners."""
        return cast("o.Sockets | Unavailable", self.source.observe(o.ListSockets()))

    def addresses(self) -> o.Addresses | Unavailable:
        """Interface addresses and the default route."""
        return cast("o.Addresses | Unavailable", self.source.observe(o.ListAddresses()))

    def resources(self, path: str = "/") -> o.Resources | Unavailable:
        """CPUs, memory, and the disk that holds ``path``."""
        return cast("o.Resources | Unavailable", self.source.observe(o.ReadResources(path)))

    def identity(self) -> o.Identity | Unavailable:
        """Which machine this is and as whom we look."""
        return cast("o.Identity | Unavailable", self.source.observe(o.ReadIdentity()))

    def unit(self, name: str) -> o.Unit | Unavailable:
        """A systemd unit; one that systemd does not know has ``load_state`` ``not-found``."""
        return cast("o.Unit | Unavailable", self.source.observe(o.ReadUnit(name)))

    def journal(self, unit: str, *, lines: int = 2000) -> o.LogText | Unavailable:
        """The last lines of a unit's journal."""
        return cast("o.LogText | Unavailable", self.source.observe(o.ReadJournal(unit, lines)))

    def run(self, tool: str, *arguments: str, timeout: float = 10.0) -> o.ToolOutput | Unavailable:
        """What a read-only program prints; a non-zero exit code is an answer, not an error."""
        return cast("o.ToolOutput | Unavailable", self.source.observe(o.RunTool(tool, arguments, timeout)))

    def offline_bundle(
        self, path: str, *, sums: bool = True, timeout: float = 300.0
    ) -> o.OfflineBundle | Unavailable:
        """What the offline bundle at ``path`` holds; ``sums`` reads every byte and compares checksums."""
        request = o.ReadOfflineBundle(path, sums, timeout)
        return cast("o.OfflineBundle | Unavailable", self.source.observe(request))

    def legacy_table(self, table: str = "nat") -> o.LogText | Unavailable:
        """A legacy netfilter table in ``iptables-save`` syntax, where no ``iptables-legacy-save`` is at hand."""
        return cast("o.LogText | Unavailable", self.source.observe(o.ReadLegacyTable(table)))

    def setting(self, name: str) -> o.Setting | Unavailable:
        """What the command line says for a parameter of an install; ``Unavailable(not-given)`` if nothing."""
        return cast("o.Setting | Unavailable", self.source.observe(o.ReadSetting(name)))


class Cluster(Port):
    """The Kubernetes API of the site."""

    __slots__ = ()

    def list(
        self, kind: type[Kind], *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> tuple[Kind, ...] | Unavailable:
        """All objects of a kind, page by page; an API group that is not served is ``Unavailable(absent)``."""
        request = o.ListObjects(kind.__name__, namespace, label_selector, field_selector)
        return cast("tuple[Kind, ...] | Unavailable", self.source.observe(request))

    def get(
        self, path: str, *, accept: str = "application/json", timeout: float = 10.0
    ) -> o.ApiAnswer | Unavailable:
        """The API server's raw answer to a path."""
        return cast("o.ApiAnswer | Unavailable", self.source.observe(o.GetPath(path, accept, timeout)))

    def pod_log(
        self, namespace: str, pod: str, container: str = "", *, lines: int = 500, previous: bool = False
    ) -> o.LogText | Unavailable:
        """The last log lines of a container."""
        request = o.ReadPodLog(namespace, pod, container, lines, previous)
        return cast("o.LogText | Unavailable", self.source.observe(request))

    def answer_log(
        self, namespace: str, pod: str, container: str = "", *, lines: int = 20, timeout: float = 10.0
    ) -> o.StreamedAnswer | Unavailable:
        """What the path to a container answers when its log is asked for; unavailable only without an API server."""
        request = o.FollowPodLog(namespace, pod, container, lines, timeout)
        return cast("o.StreamedAnswer | Unavailable", self.source.observe(request))

    def exec(
        self, namespace: str, pod: str, *command: str, container: str = "", timeout: float = 10.0
    ) -> o.StreamedAnswer | Unavailable:
        """What one harmless command in a container writes; unavailable only without an API server."""
        request = o.ExecInPod(namespace, pod, command, container, timeout)
        return cast("o.StreamedAnswer | Unavailable", self.source.observe(request))

    def attach(
        self, namespace: str, pod: str, container: str = "", *, until: str = "", timeout: float = 10.0
    ) -> o.StreamedAnswer | Unavailable:
        """What a container writes until ``until`` was seen; unavailable only without an API server."""
        request = o.AttachToPod(namespace, pod, container, until, timeout)
        return cast("o.StreamedAnswer | Unavailable", self.source.observe(request))

    def may(
        self,
        verb: str,
        resource: str,
        *,
        group: str = "",
        subresource: str = "",
        namespace: str = "",
        user: str = "",
    ) -> o.AccessReview | Unavailable:
        """Whether the current user (or ``user``) may do it."""
        request = o.ReviewAccess(verb, resource, group, subresource, namespace, user)
        return cast("o.AccessReview | Unavailable", self.source.observe(request))


class Wire(Port):
    """The network as this machine sees it: connections, TLS peers, single GETs. Never a websocket upgrade."""

    __slots__ = ()

    def connect(self, host: str, port: int, *, timeout: float = 5.0) -> o.Connection | Unavailable:
        """A TCP connection, closed at once; refused, time-out and no route are told apart by the reason."""
        return cast("o.Connection | Unavailable", self.source.observe(o.OpenTcp(host, port, timeout)))

    def tls(
        self, host: str, port: int, *, server_name: str = "", timeout: float = 5.0
    ) -> o.TlsPeer | Unavailable:
        """The certificates a TLS server shows; a plain-HTTP server is ``Unavailable(invalid)``."""
        return cast(
            "o.TlsPeer | Unavailable", self.source.observe(o.OpenTls(host, port, server_name, timeout))
        )

    def get(
        self, url: str, *, host_header: str = "", accept: str = "*/*", timeout: float = 10.0
    ) -> o.HttpAnswer | Unavailable:
        """The answer to one GET over HTTP or (unverified) HTTPS."""
        request = o.GetHttp(url, host_header, accept, timeout)
        return cast("o.HttpAnswer | Unavailable", self.source.observe(request))


class Clock(Port):
    """The machine's own clock."""

    __slots__ = ()

    def now(self) -> o.Now | Unavailable:
        """The time the machine believes it is."""
        return cast("o.Now | Unavailable", self.source.observe(o.ReadClock()))
