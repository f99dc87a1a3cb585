"""What repairs on an edge need beyond what checks judge: copies of edgecore.yaml, and a token left for a start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import Connection, File, Files, Host, TlsPeer, Unavailable, Wire, fact
from kedoctor.api.yaml import YamlError, load
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreService
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreFile, EdgeName, edgecore_config
from kedoctor.checks.parsers.host_port import HostPort, is_loopback

__all__ = [
    "BOOTSTRAP_PATH",
    "BootstrapToken",
    "EdgecoreCopies",
    "EdgecoreCopy",
    "HubTunnel",
    "bootstrap_token",
    "edgecore_copies",
    "hub_tunnel",
    "tunnel_beside_hub",
]

BOOTSTRAP_PATH = "/etc/kubeedge/bootstrap-edgecore.conf"
"""Where edgecore looks for a token before it looks into edgecore.yaml (facts.md §2.1)."""

_MOST_COPIES = 20
_TUNNEL_PORT = 10004
_NODE_PORTS = 30000
_TUNNEL_NODE_PORT = 30004  # the chart's (facts.md §1.3)


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """The token file that keadm leaves during a join; ``text`` is empty if there is none or it was not read."""

    present: bool
    text: str


@fact
def bootstrap_token(host: Host) -> BootstrapToken:
    """``/etc/kubeedge/bootstrap-edgecore.conf``, which wins over ``modules.edgeHub.token`` (facts.md §2.1)."""
    file = host.read(BOOTSTRAP_PATH)
    if isinstance(file, File):
        return BootstrapToken(present=True, text=file.text().strip())
    return BootstrapToken(present=not isinstance(host.stat(BOOTSTRAP_PATH), Unavailable), text="")


@dataclass(frozen=True, slots=True)
class EdgecoreCopy:
    """A file beside edgecore.yaml that edgecore could start from: valid, complete, with the address of a cloud."""

    file: File
    config: EdgecoreConfig

    @property
    def path(self) -> str:
        """Where it lies."""
        return self.file.metadata.path


@dataclass(frozen=True, slots=True)
class EdgecoreCopies:
    """Usable copies of edgecore.yaml beside it, newest first."""

    items: tuple[EdgecoreCopy, ...]


@fact
def edgecore_copies(host: Host, file: EdgecoreFile) -> EdgecoreCopies:
    """What people, keadm and installers left: ``edgecore.yaml.bak``, ``edgecore.yaml~``, ``edgecore.yaml.keadm-original``."""
    found = host.find(f"{file.path}?*")
    entries = found.entries if isinstance(found, Files) else ()
    newest = sorted(
        (one for one in entries if one.kind == "file"), key=lambda one: one.modified, reverse=True
    )
    return EdgecoreCopies(tuple(_usable(host, [one.path for one in newest[:_MOST_COPIES]])))


def _usable(host: Host, paths: list[str]) -> Iterator[EdgecoreCopy]:
    for path in paths:
        file = host.read(path)
        config = None if isinstance(file, Unavailable) or file.truncated else _read(path, file)
        if isinstance(file, File) and config is not None and _complete(config):
            yield EdgecoreCopy(file, config)


def _read(path: str, file: File) -> EdgecoreConfig | None:
    try:
        document = load(file.data)
    except YamlError:
        return None
    name = document.value("modules.edged.hostnameOverride")
    read = edgecore_config(
        EdgecoreFile(path, file, document=document), EdgeName(name if isinstance(name, str) else "")
    )
    return None if isinstance(read, Unavailable) else read


def _complete(config: EdgecoreConfig) -> bool:
    names_a_cloud = config.hub_server is not None and bool(config.line("modules.edgeHub"))
    return names_a_cloud and not any(deviation.fatal for deviation in config.violations)


@dataclass(frozen=True, slots=True)
class HubTunnel:
    """The tunnel server that should be where edgeHub's server is (``None``: edgeHub names no cloud).

    ``answers`` says that a TLS server is there, and ``present_answers`` whether one is where edgeStream dials now.
    """

    server: HostPort | None
    answers: bool
    present_answers: bool


@fact
def hub_tunnel(
    wire: Wire,
    config: EdgecoreConfig,
    cloudcore: CloudcoreConfig | Unavailable,
    service: CloudcoreService | Unavailable,
) -> HubTunnel:
    """Dials the tunnel server beside edgeHub's and the one that is written; never a websocket upgrade."""
    server, present = tunnel_beside_hub(config, cloudcore, service), config.stream_server
    return HubTunnel(server, _answers(wire, server), _answers(wire, present))


def tunnel_beside_hub(
    config: EdgecoreConfig, cloudcore: CloudcoreConfig | Unavailable, service: CloudcoreService | Unavailable
) -> HostPort | None:
    """EdgeHub's host with cloudcore's tunnel port, or with the NodePort that leads to it (facts.md §3.5)."""
    hub = config.hub_server
    if hub is None or is_loopback(hub.host):
        return None
    tunnel = _TUNNEL_PORT if isinstance(cloudcore, Unavailable) else cloudcore.tunnel_port or _TUNNEL_PORT
    return HostPort(hub.host, _node_port(service, tunnel) if hub.port >= _NODE_PORTS else tunnel)


def _node_port(service: CloudcoreService | Unavailable, tunnel: int) -> int:
    if isinstance(service, Unavailable) or service.service is None:
        return _TUNNEL_NODE_PORT
    ports = [
        one.node_port
        for one in service.service.spec.ports or ()
        if one.node_port and (one.target_port in (tunnel, "tunnelport") or one.port == tunnel)
    ]
    return next(iter(ports), _TUNNEL_NODE_PORT)


def _answers(wire: Wire, server: HostPort | None) -> bool:
    if (
        server is None
        or not server.port
        or not isinstance(wire.connect(server.host, server.port), Connection)
    ):
        return False
    return isinstance(wire.tls(server.host, server.port), TlsPeer)
