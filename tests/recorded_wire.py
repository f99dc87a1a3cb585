"""What probes would have found on a recorded site: derived from its recorded state, in this one place.

Probes were recorded once, on the healthy site and on one with a dead session (``recordings-api``). What they answer
on the other sites follows from what was recorded there:

* A port is open where ``ss -tln`` of that host shows a listener on that address.
* A connection from the cloud host to an edge's address is diverted by the first rule, of either backend, that
  matches its port (testbed.md ports); it then reaches what listens at the target. A ClusterIP is a
  black hole (case i), an address where no host is gives "no route to host" (case e, 10.99.0.77). Undiverted it is
  refused, because an edge listens on its loopback only; where ``kubectl.txt`` says "i/o timeout" the edge cannot be
  reached at all (d2). :mod:`test_fixtures` compares all this with what kubectl said in every case.
* A session is *live* when cloudcore holds an established connection from that edge on 10004, *hanging* when a DROP
  rule cuts that connection (h1), *dead* when cloudcore had one and lost it (its log names a tunnel or says "has
  closed", or ``kubectl logs`` was empty with exit code 0: surprise 1 of testbed.md), and else there is *none*.
* 10003 answers ``/`` with 404, ``/stats/summary`` for a live session with the JSON recorded there, for a dead one
  with an empty 200, for none with an empty 500 (facts.md §3.8). 10000 and 10004 want a client certificate, 10002
  serves the CA. The bodies are those of ``recordings-api``, moved to the time of the recording.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recorded_texts import shifted

from kedoctor.model.observations.apiserver import ApiAnswer
from kedoctor.model.observations.network import Socket
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.wire import Connection, GetHttp, HttpAnswer, OpenTcp, OpenTls, TlsPeer
from kedoctor.observe.request_names import describe

__all__ = ["HostOnWire", "RecordedWire", "SiteOnWire"]

HUB, HTTPS, STREAM, TUNNEL, EDGED = 10000, 10002, 10003, 10004, 10350
SERVICES = ip_network("10.96.0.0/16")
PODS = ip_network("10.244.0.0/16")
"""Pods of the cloud are reached from its hosts alone."""
STATS_RECORDED_AT = datetime(2026, 11, 23, 4, 26, 3, tzinfo=UTC)
STATS = "62-stream-10003-stats-host-ip.http"

_DNAT = re.compile(
    r"^-A \S+ (?P<match>.*)--dport (?P<port>\d+) -j DNAT --to-destination (?P<to>[\d.]*):(?P<to_port>\d+)$",
    re.MULTILINE,
)
_GO_WORDS = {
    Reason.REFUSED: "connect: connection refused",
    Reason.TIMEOUT: "i/o timeout",
    Reason.UNREACHABLE: "connect: no route to host",
}
_DROPPED = re.compile(r"^-A INPUT -p tcp -m tcp --dport (\d+) -j DROP$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class HostOnWire:
    """A host of the site: its name, its address, its sockets, and further addresses of it (a virtual one)."""

    name: str
    address: str
    sockets: Sequence[Socket]
    also: tuple[str, ...] = ()

    def has(self, address: str) -> bool:
        """Whether that address is its own."""
        return address == self.address or address in self.also

    def listens(self, address: str, port: int) -> bool:
        """Whether a connection to that address and port of this host is taken."""
        wanted = {address, "::", "0.0.0.0"}
        return any(
            s.state == "LISTEN" and s.local_port == port and s.local_address in wanted for s in self.sockets
        )


@dataclass(frozen=True, slots=True)
class SiteOnWire:
    """All that decides what a probe finds."""

    cloud: HostOnWire
    edges: Sequence[HostOnWire]
    rules: Sequence[str]  # iptables-save of the cloud host, legacy first
    kubectl: str
    cloudcore_log: str
    clock: datetime
    stream_certificate: bytes
    cloudcore_certificate: bytes
    ca: bytes
    ports: Mapping[str, int]  # the kubelet port of each edge, from nodes.json
    exchanges: Path = field(repr=False)
    # More hosts on which a cloudcore runs: each with its rules (of API-server hosts) and the log of its cloudcore.
    others: Sequence[HostOnWire] = ()
    rules_there: Mapping[str, Sequence[str]] = field(default_factory=dict)
    logs_there: Mapping[str, str] = field(default_factory=dict)
    node_ports: Mapping[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    @property
    def clouds(self) -> tuple[HostOnWire, ...]:
        """All hosts with a cloudcore, the first one first."""
        return (self.cloud, *self.others)

    def edge_at(self, address: str) -> HostOnWire | None:
        return next((edge for edge in self.edges if edge.address == address), None)

    def edge_named(self, name: str) -> HostOnWire | None:
        """By node name or by internal address: cloudcore's session map has both as keys (facts.md §3.5)."""
        return next((edge for edge in self.edges if name in (edge.name, edge.address)), None)

    def dropped(self, port: int) -> bool:
        """Whether the cloud host drops what comes in on a port."""
        return any(str(port) in _DROPPED.findall(text) for text in self.rules)

    def diverted(self, port: int, on: str = "") -> tuple[str, int] | None:
        """Where a cloud host (the first one, or that of the name) sends a connection to that port of an edge."""
        for text in self.rules_there.get(on, self.rules):
            for rule in _DNAT.finditer(text):
                if int(rule["port"]) == port and " -d " not in f" {rule['match']}":
                    return rule["to"], int(rule["to_port"])
        return None

    def edges_unreachable(self) -> bool:
        """Whether undiverted connections to the edges get no answer (d2), because no rule explains the time-out."""
        targets = [self.diverted(port) for port in self.ports.values()]
        return "i/o timeout" in self.kubectl and not any(targets)

    def session(self, edge: HostOnWire, cloud: HostOnWire | None = None) -> str:
        """``live``, ``hanging``, ``dead`` or ``none``, with the first cloudcore or that of ``cloud``."""
        asked = cloud or self.cloud
        if any(
            s.state == "ESTABLISHED" and s.local_port == TUNNEL and s.remote_address == edge.address
            for s in asked.sockets
        ):
            return "hanging" if self.dropped(TUNNEL) else "live"
        log = self.cloudcore_log if asked is self.cloud else self.logs_there.get(asked.name, "")
        had_one = (
            f"get a new tunnel agent hostname {edge.name}," in log
            or f"the tunnel connection of Tunnel session [{edge.name}] has closed" in log
            or re.search(r"kubectl logs web --tail=3\n\[rc 0", self.kubectl) is not None
        )
        return "dead" if had_one else "none"

    def stats(self, edge: HostOnWire) -> bytes:
        """The summary that a live edge sends, as recorded on the healthy site and moved to this one's time."""
        text = (self.exchanges / STATS).read_text()
        body = text[text.index("\n{\n") + 1 :].rstrip() + "\n"
        moved = shifted(body, self.clock - STATS_RECORDED_AT)
        return moved.replace('"nodeName": "edge1"', f'"nodeName": "{edge.name}"').encode()


class RecordedWire:
    """The network as one host of the site sees it."""

    def __init__(self, site: SiteOnWire, host: HostOnWire) -> None:
        self._site = site
        self._host = host

    def observe(self, request: Request) -> Any:
        match request:
            case OpenTcp(host=host, port=port):
                return self._reached(request, host, port) or Connection(host, 0.001)
            case OpenTls(host=host, port=port):
                return self._reached(request, host, port) or self._tls(request, *self._end(host, port))
            case GetHttp():
                return self._get(request)
        return _not_recorded(request)

    def node_proxy(self, node: str, path: str) -> ApiAnswer | Unavailable | None:
        """What the API server's proxy to a node's kubelet gives (facts.md §3.5: X-Forwarded-Uri names the node)."""
        edge = self._site.edge_named(node)
        if edge is None or not path.startswith("/stats/summary"):
            return None
        port = self._site.ports[edge.name]
        what = f"get /api/v1/nodes/{node}/proxy{path}"
        refused = self._reached(OpenTcp(edge.address, port), edge.address, port)
        if isinstance(refused, Unavailable):
            words = _GO_WORDS.get(refused.reason, refused.detail)
            detail = f"error trying to reach service: dial tcp {edge.address}:{port}: {words}"
            return Unavailable(Reason.SERVER_ERROR, what, detail)
        target, target_port = self._end(edge.address, port)
        if target_port != STREAM:
            detail = "error trying to reach service: remote error: tls: unknown certificate authority"
            return Unavailable(Reason.SERVER_ERROR, what, detail)
        url = f"https://{edge.address}:{port}{path}"
        answer = self._stats(GetHttp(url), edge, self._owner(target))
        if isinstance(answer, Unavailable):
            return Unavailable(answer.reason, what, answer.detail)
        if answer.status >= 500:
            return Unavailable(Reason.SERVER_ERROR, what, f"HTTP {answer.status}")
        return ApiAnswer(answer.status, answer.body, answer.date, "text/plain; charset=utf-8")

    # ------------------------------------------------------------------------------------- connections

    def _end(self, host: str, port: int) -> tuple[str, int]:
        """Where a connection ends up: diverted on the cloud host, if it goes to an edge."""
        on_cloud = self._on_cloud(self._host)
        if on_cloud and self._site.edge_at(host) is not None:
            return self._site.diverted(port, self._host.name) or (host, port)
        return self._site.node_ports.get((host, port), (host, port))

    def _on_cloud(self, host: HostOnWire | None) -> bool:
        return any(host is one for one in self._site.clouds)

    def _reached(self, request: Request, host: str, port: int) -> Unavailable | None:
        """Why a connection is not made, or nothing if it is."""
        what = describe(request)
        target, target_port = self._end(host, port)
        if not _is_address(target):
            return _not_recorded(request)
        no_answer = Unavailable(
            Reason.TIMEOUT, what, f"no answer within {getattr(request, 'timeout', 5.0):g} s"
        )
        owner = self._owner(target)
        if (
            ip_address(target) in PODS
            and not self._on_cloud(self._host)
            and (host, port) == (target, target_port)
        ):
            return Unavailable(Reason.UNREACHABLE, what, "no route: No route to host")
        if ip_address(target) in SERVICES:
            return no_answer
        if owner is None:
            return Unavailable(Reason.UNREACHABLE, what, "no route: No route to host")
        if owner is not self._host and owner is self._site.cloud and self._site.dropped(target_port):
            return no_answer
        if owner is not self._host and not self._on_cloud(owner) and self._site.edges_unreachable():
            return no_answer
        if not owner.listens(target, target_port):
            refused = "connection refused: nothing listens there, or a firewall rejects it"
            return Unavailable(Reason.REFUSED, what, refused)
        return None

    def _owner(self, address: str) -> HostOnWire | None:
        if ip_address(address).is_loopback:
            return self._host
        everybody = (*self._site.clouds, *self._site.edges)
        return next((host for host in everybody if host.has(address)), None)

    def _tls(self, request: Request, host: str, port: int) -> TlsPeer | Unavailable:
        site = self._site
        if self._on_cloud(self._owner(host)):
            if port == STREAM:
                return TlsPeer((site.stream_certificate,), "TLSv1.3")
            if port == HTTPS:
                return TlsPeer((site.cloudcore_certificate,), "TLSv1.3")
            if port in (HUB, TUNNEL):
                return TlsPeer((site.cloudcore_certificate,), "TLSv1.3", "certificate required")
        elif port == EDGED:
            return Unavailable(Reason.INVALID, describe(request), "the server speaks plain HTTP, not TLS")
        return _not_recorded(request)

    # ------------------------------------------------------------------------------------------- HTTP

    def _get(self, request: GetHttp) -> HttpAnswer | Unavailable:
        url = urlsplit(request.url)
        host, port = url.hostname or "", url.port or 0
        refused = self._reached(request, host, port)
        if refused is not None:
            return refused
        target, target_port = self._end(host, port)
        owner = self._owner(target)
        if not self._on_cloud(owner):
            return self._get_from_edge(request, target_port, url.path)
        if target_port == STREAM:
            return self._get_from_stream(request, url.path, owner)
        if target_port == HTTPS:
            return self._get_from_https(request, url.path)
        if target_port in (HUB, TUNNEL):
            detail = "the server ended the TLS connection: certificate required"
            return Unavailable(Reason.ERROR, describe(request), detail)
        return _not_recorded(request)

    def _get_from_stream(
        self, request: GetHttp, path: str, cloud: HostOnWire | None
    ) -> HttpAnswer | Unavailable:
        if path in ("", "/"):
            return self._answer(404, b"404 page not found\n", self._site.stream_certificate)
        name = (request.host_header or urlsplit(request.url).netloc).partition(":")[0]
        edge = self._site.edge_named(name)
        if path == "/stats/summary":
            return self._stats(request, edge, cloud)
        return _not_recorded(request)

    def _stats(
        self, request: GetHttp, edge: HostOnWire | None, cloud: HostOnWire | None
    ) -> HttpAnswer | Unavailable:
        certificate = self._site.stream_certificate
        match self._site.session(edge, cloud) if edge is not None else "none":
            case "live" if edge is not None:
                return self._answer(200, self._site.stats(edge), certificate)
            case "dead":
                return self._answer(200, b"", certificate)
            case "hanging":
                return Unavailable(
                    Reason.TIMEOUT, describe(request), f"no answer within {request.timeout:g} s"
                )
        return self._answer(500, b"", certificate)

    def _get_from_https(self, request: GetHttp, path: str) -> HttpAnswer | Unavailable:
        certificate = self._site.cloudcore_certificate
        if path == "/ca.crt":
            return self._answer(200, self._site.ca, certificate)
        if path.startswith("/node/") and self._site.edge_named(path.removeprefix("/node/")) is not None:
            return self._answer(200, b"Node founded", certificate)
        if path in ("", "/"):
            return self._answer(404, b"404: Page Not Found", certificate)
        return _not_recorded(request)

    def _get_from_edge(self, request: GetHttp, port: int, path: str) -> HttpAnswer | Unavailable:
        if port == EDGED and path in ("/healthz", "/healthz/syncloop", "/healthz/ping"):
            return self._answer(200, b"ok", b"")
        if port == EDGED and path == "/stats/summary":
            return self._answer(200, self._site.stats(self._host), b"")
        return _not_recorded(request)

    def _answer(self, status: int, body: bytes, certificate: bytes) -> HttpAnswer:
        return HttpAnswer(status, body, self._site.clock.replace(microsecond=0), certificate)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _not_recorded(request: Request) -> Unavailable:
    return Unavailable(Reason.NOT_RECORDED, describe(request), "it was not recorded")
