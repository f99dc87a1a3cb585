"""What the hosts of a faulty site answer: the machine, the cluster and the wire (see :mod:`faulty_site`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faulty_machine import CLOUD, EDGE, NOW, STREAM, Machine, recorded
from recorded_wire import HostOnWire, RecordedWire, SiteOnWire

from kedoctor.base.records import replace
from kedoctor.model.observations.apiserver import AccessReview, GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.logs import LogText, ReadJournal, ReadPodLog
from kedoctor.model.observations.machine import Now, ReadClock
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import RunTool
from kedoctor.model.observations.wire import GetHttp, OpenTcp, OpenTls
from kedoctor.observe.memo import Observation

if TYPE_CHECKING:
    from faulty_site import FaultySite

__all__ = ["FaultySource", "FaultyWire", "LaptopSource"]


@dataclass(frozen=True, slots=True)
class FaultyWire(SiteOnWire):
    """The wire of this site; metrics for an edge are those that the bundle holds."""

    node_addresses: Mapping[str, str] = field(default_factory=dict)  # by node, what its Node says

    def edge_at(self, address: str) -> HostOnWire | None:
        """Also an address that is only in the Node: a rule diverts by the port, whatever the address."""
        named = {value: name for name, value in self.node_addresses.items()}
        own = next((edge for edge in self.edges if edge.address == address), None)
        return own or next((edge for edge in self.edges if edge.name == named.get(address)), None)

    def edge_named(self, name: str) -> HostOnWire | None:
        """Of two edges with one address the one whose tunnel came last answers (facts.md §10 (4))."""
        alike = [one for one in self.edges if self.node_addresses.get(one.name) == name == one.address]
        sharing = [one for one in self.edges if self.node_addresses.get(one.name) == name]
        if alike and len(sharing) > 1:
            live = [one for one in sharing if self.session(one) == "live"]
            return (live or alike)[-1]
        return next((edge for edge in self.edges if name in (edge.name, edge.address)), None)

    def stats(self, edge: HostOnWire) -> bytes:
        """The summary that a live edge sends."""
        url = f"https://{CLOUD}:{STREAM}/stats/summary?only_cpu_and_memory=true"
        answer = recorded("cloud").observe(GetHttp(url, host_header=EDGE, timeout=8.0))
        body: bytes = answer.body
        return body.replace(b'"nodeName": "edge1"', b'"nodeName": "%s"' % edge.name.encode())


class FaultySource:
    """What one host of the site answers."""

    def __init__(self, site: FaultySite, machine: Machine) -> None:
        self._site = site
        self._machine = machine
        wired = site.on_wire()
        self._wire = RecordedWire(wired, site.place_of(machine, wired))

    def observation(self, request: Request) -> Observation:
        """The answer, read now."""
        return Observation(request, self.observe(request), NOW, 0)

    def observe(self, request: Request) -> Any:
        """The answer of the machine, the cluster or the wire, else what was recorded."""
        on_cloud = self._site.is_cloud(self._machine)
        answer = self._machine.observe(request)
        if answer is not None:
            return answer
        match request:
            case ReadJournal(unit="edgecore.service") if not on_cloud:
                return LogText("\n".join(self._site.journal.splitlines()[-request.lines :]) + "\n")
            case RunTool(tool="iptables-legacy-save") if on_cloud:
                return replace(
                    self._machine.base.observe(request), stdout=self._site.rules_of(self._machine)[0]
                )
            case RunTool(tool="iptables-nft-save") if on_cloud:
                return replace(
                    self._machine.base.observe(request), stdout=self._site.rules_of(self._machine)[1]
                )
            case OpenTcp() | OpenTls() | GetHttp():
                return self._wire.observe(request)
            case ListObjects() | ReadPodLog() | ReviewAccess() | GetPath() if on_cloud:
                return self._of_cluster(request)
        return self._machine.base.observe(request)

    def _of_cluster(self, request: Request) -> Any:
        site = self._site
        match request:
            case ListObjects():
                return site.listed(request)
            case ReadPodLog(pod=pod, previous=False):
                # Of two beginnings of the name the longer one is meant.
                log = max(
                    ((name, text) for name, text in site.logs.items() if pod.startswith(name)),
                    default=("", None),
                )[1]
                if log is not None:
                    return LogText("\n".join(log.splitlines()[-request.lines :]) + "\n")
            case GetPath(path=path) if path in site.paths:
                return site.paths[path]
            case GetPath(path=path) if "/proxy/stats/" in path:
                node, _, rest = path.removeprefix("/api/v1/nodes/").partition("/proxy")
                answer = self._wire.node_proxy(node, rest)
                return self._machine.base.observe(request) if answer is None else answer
            case ReviewAccess(user=""):
                asked = f"{request.verb} {request.resource}/{request.subresource}".rstrip("/")
                return AccessReview(asked not in site.denied)
            case ReviewAccess() if site.cloudcore_denied:
                asked = f"{request.verb} {request.resource}/{request.subresource}".rstrip("/")
                return AccessReview(asked not in site.cloudcore_denied)
        return self._machine.base.observe(request)


class LaptopSource(FaultySource):
    """A machine that is no part of the site, with nothing but a kubeconfig."""

    def observe(self, request: Request) -> Any:
        """What the API server says; of the machine itself nothing."""
        match request:
            case ListObjects() | ReadPodLog() | ReviewAccess() | GetPath():
                return self._of_cluster(request)
            case ReadClock():
                return Now(NOW)
        return Unavailable(Reason.ABSENT, "this machine", "it is no part of the site")
