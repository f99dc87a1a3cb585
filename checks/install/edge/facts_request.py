"""What the installation of an edge was told, and what the cloud answers a host that has not joined yet (facts.md §6.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from kedoctor.api import (
    Clock,
    File,
    FileMetadata,
    Files,
    Host,
    HttpAnswer,
    Identity,
    Reason,
    Unavailable,
    Wire,
    fact,
    require,
)
from kedoctor.checks.facts.edge.edgecore import EdgecoreFile
from kedoctor.checks.facts.edge.sockets_and_probes import PortProbe
from kedoctor.checks.install.steps import HostBundle, architecture_of
from kedoctor.checks.offline.judge import likely_release
from kedoctor.checks.parsers.concurrency import ask_all
from kedoctor.checks.parsers.host_port import HostPort, parse_host_port
from kedoctor.checks.parsers.join_token import JoinToken, TokenError, read_token

__all__ = [
    "BUNDLE",
    "CERTIFICATE_PATH",
    "CERT_PORT",
    "CLOUD",
    "HOME",
    "NODE",
    "SIDE",
    "TOKEN",
    "TUNNEL_PORT",
    "UNFINISHED",
    "CloudAnswers",
    "EdgeTarget",
    "InstallBundle",
    "Joined",
    "OfferedToken",
]

BUNDLE, CLOUD, TOKEN, NODE = "bundle", "cloud", "token", "node"
CERT_PORT, TUNNEL_PORT = "cert-port", "tunnel-port"
"""The settings by which ``kedoctor install edge`` gets what it needs."""

SIDE = ("edge",)
HOME = "/etc/kubeedge"
"""What keadm demands to be absent or empty before it joins (facts.md §6.1)."""

UNFINISHED = "/etc/kubeedge.unfinished"
CERTIFICATE_PATH = "/etc/kubeedge/certs/server.crt"
_HUB_PORT = 10000


@dataclass(frozen=True, slots=True)
class EdgeTarget:
    """The node that this host is to be, and the three servers of the cloud that it dials."""

    node: str
    hub: HostPort
    certificates: HostPort
    tunnel: HostPort

    def servers(self) -> tuple[tuple[str, HostPort], ...]:
        """The servers by their roles, as they are dialled one after the other."""
        return (("hub", self.hub), ("https", self.certificates), ("tunnel", self.tunnel))


@fact
def edge_target(host: Host) -> EdgeTarget:
    """From ``--node``, ``--cloud HOST[:10000]`` and the ports of the other two servers."""
    node, cloud = require(host.setting(NODE)).value, require(host.setting(CLOUD)).value
    hub = parse_host_port(cloud, _HUB_PORT)
    ports = [_port(host, name) for name in (CERT_PORT, TUNNEL_PORT)]
    if hub is None or not hub.host or not 0 < hub.port < 65536 or "/" in cloud.partition("://")[2]:
        require(Unavailable(Reason.INVALID, f"--cloud {cloud}", "it names no host and port"))
    assert hub is not None  # noqa: S101  for the type checker
    return EdgeTarget(node, hub, *(HostPort(hub.host, port) for port in ports))


def _port(host: Host, name: str) -> int:
    text = require(host.setting(name)).value
    if not text.isdecimal() or not 0 < int(text) < 65536:
        require(Unavailable(Reason.INVALID, f"--{name} {text}", "a port is a number from 1 to 65535"))
    return int(text)


@dataclass(frozen=True, slots=True)
class OfferedToken:
    """The join token that was given, without what makes it one; ``problem`` says why it is none."""

    token: JoinToken | None
    problem: str = ""


@fact
def offered_token(host: Host) -> OfferedToken:
    """Only what a token tells without a key; its text stays where it is."""
    try:
        return OfferedToken(read_token(require(host.setting(TOKEN)).value))
    except TokenError as error:
        return OfferedToken(None, error.reason)


@dataclass(frozen=True, slots=True)
class CloudAnswers:
    """What the cloud's ports say to this host: connections, the CA with its ``Date``, and whether the Node exists.

    ``now`` is this host's own time, aware UTC, taken just after the CA was read.
    """

    probes: tuple[PortProbe, ...]
    ca_url: str
    ca: HttpAnswer | Unavailable
    node_url: str
    node: HttpAnswer | Unavailable
    now: datetime

    @property
    def ca_sha256(self) -> str:
        """The digest that a join token begins with; empty where no CA was served."""
        served = not isinstance(self.ca, Unavailable) and self.ca.status == 200
        return (
            hashlib.sha256(self.ca.body).hexdigest()
            if served and not isinstance(self.ca, Unavailable)
            else ""
        )


@fact
def cloud_answers(wire: Wire, clock: Clock, target: EdgeTarget) -> CloudAnswers:
    """First TCP, then TLS to each port, never an upgrade; then two GETs, unverified as keadm's are (facts.md §4.2)."""
    probes = ask_all(lambda one: _probe(wire, *one), target.servers())
    urls = [f"https://{target.certificates}/{path}" for path in ("ca.crt", f"node/{target.node}")]
    closed = next(
        (one.tcp for one in probes if one.role == "https" and isinstance(one.tcp, Unavailable)), None
    )
    answers: list[HttpAnswer | Unavailable] = [closed, closed] if closed else _got(wire, urls)
    now = require(clock.now()).time
    return CloudAnswers(tuple(probes), urls[0], answers[0], urls[1], answers[-1], now)


def _got(wire: Wire, urls: list[str]) -> list[HttpAnswer | Unavailable]:
    return ask_all(lambda url: wire.get(url, timeout=5.0), urls)


def _probe(wire: Wire, role: str, server: HostPort) -> PortProbe:
    tcp = wire.connect(server.host, server.port)
    tls = None if isinstance(tcp, Unavailable) else wire.tls(server.host, server.port)
    return PortProbe(role, server, tcp, tls)


@dataclass(frozen=True, slots=True)
class InstallBundle(HostBundle):
    """The offline bundle as an edge can use it."""

    @property
    def pause(self) -> str:
        """The sandbox image of the release, in full."""
        return self.versions.image("pause", "edge").reference

    @property
    def package(self) -> str:
        """The image that keadm copies edgecore out of."""
        return self.versions.image("installation-package", "edge").reference

    def held(self) -> tuple[tuple[str, str], ...]:
        """References that edges of the release use and the bundle has, with their archives; the pause image first."""
        images, _ = self.versions.of("edge")
        wanted = sorted(images, key=lambda one: one.role != "pause")
        found = [(one.reference, self.bundle.archive_of(one.reference, self.architecture)) for one in wanted]
        return tuple((name, self.bundle.path(file)) for name, file in found if file is not None)


@fact
def install_bundle(host: Host) -> InstallBundle:
    """Every byte of it is read, once an install; its scripts are never run (kubeprepare.md §1)."""
    bundle = require(host.offline_bundle(require(host.setting(BUNDLE)).value, sums=True))
    identity: Identity = require(host.identity())
    return InstallBundle(bundle, architecture_of(identity.machine), likely_release(bundle))


@dataclass(frozen=True, slots=True)
class Joined:
    """What of an edge is in ``/etc/kubeedge`` already.

    ``entries`` are the names in it, ``certificate`` the edge's, ``stranger`` is not empty where edgecore.yaml joins
    another node or another cloud than the install is about: it says which. ``aside`` is a free name beside it.
    """

    entries: tuple[str, ...]
    file: EdgecoreFile
    certificate: FileMetadata | Unavailable
    stranger: str
    aside: str

    @property
    def configured(self) -> bool:
        """Whether there is an edgecore.yaml that can be read."""
        return self.file.document is not None

    @property
    def has_certificate(self) -> bool:
        """Whether an edge certificate is there, so that a Node of its name was registered or is about to be."""
        return not isinstance(self.certificate, Unavailable)


@fact
def joined(host: Host, target: EdgeTarget, file: EdgecoreFile) -> Joined:
    """Looks at the directory, the configuration and the certificate."""
    found = host.find(f"{HOME}/*")
    if isinstance(found, Unavailable) and found.reason is not Reason.ABSENT:
        require(found)
    certificate = host.stat(CERTIFICATE_PATH)
    if isinstance(certificate, Unavailable) and certificate.reason is not Reason.ABSENT:
        require(certificate)
    if isinstance(file.file, Unavailable) and file.file.reason is not Reason.ABSENT:
        require(file.file)
    entries = found.entries if isinstance(found, Files) else ()
    names = tuple(one.path.rpartition("/")[2] for one in entries)
    return Joined(names, file, certificate, _stranger(file, target), _free(host))


def _stranger(file: EdgecoreFile, target: EdgeTarget) -> str:
    if file.document is None:
        return "a file that is not YAML" if isinstance(file.file, File) else ""
    node = file.document.value("modules.edged.hostnameOverride")
    server = parse_host_port(file.document.value("modules.edgeHub.websocket.server"))
    if node != target.node:
        return f"node {node}"
    if server is None or server.host != target.hub.host:
        return f"cloud {server}"
    return ""


def _free(host: Host) -> str:
    found = host.find(f"{UNFINISHED}*")
    taken = {one.path for one in found.entries} if isinstance(found, Files) else set()
    names = (UNFINISHED, *(f"{UNFINISHED}.{number}" for number in range(2, 100)))
    return next(name for name in names if name not in taken)
