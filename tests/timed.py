"""A site some seconds after something was restarted: what real parts show at that age (facts.md §10.2, measured).

Each function puts a :class:`faulty_site.FaultySite` into the state in which such a site is ``ago`` seconds after the
event, when nothing else is wrong: ports that are not open yet, links that are not back, figures that are missing, lines
that were written before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from faulty_machine import CLOUDCORE_PORTS, EDGE, EDGED, HUB, NOW, OTHER, TUNNEL
from faulty_site import FaultySite

from kedoctor.base.records import replace
from kedoctor.model.observations.processes import Process
from kedoctor.model.observations.request import Reason, Unavailable

__all__ = [
    "EVENTS",
    "PLACES",
    "cloudcore_replaced",
    "cloudcore_started",
    "edgecore_started",
    "metrics_started",
]

PLACES = (("cloud",), ("edge1",), ("laptop",), ("cloud", "edge1"))
"""The places from which a site is looked at; the last joins the evidence of both ends."""

PORTS_OPEN, LINKS_BACK, FIGURES = 15, 40, 75
"""Seconds after cloudcore's start, on the slow side of what was measured."""


def _container(pod: Any, ago: float) -> Any:
    status = pod.status.container_statuses[0]
    running = replace(status.state.running, started_at=NOW - timedelta(seconds=ago))
    status = replace(status, state=replace(status.state, running=running))
    return replace(
        pod,
        metadata=replace(pod.metadata, creation_timestamp=NOW - timedelta(seconds=ago + 2)),
        status=replace(pod.status, container_statuses=(status,)),
    )


def _lose_links(site: FaultySite, *, ago: float, lasts: float) -> None:
    """What edgecore writes while nothing answers, and what is left of the sockets."""
    edge, cloud = site.edge, site.cloud
    edge.close(port=TUNNEL)
    edge.close(port=HUB)
    for address in (EDGE, OTHER):
        cloud.close(port=TUNNEL, peer=address)
        cloud.close(port=HUB, peer=address)
    site.edge_says(
        "E",
        "ws.go:108",
        "failed to read message, error: websocket: close 1006 (abnormal closure): unexpected EOF",
        ago=ago + 1,
    )
    site.edge_says(
        "W", "edgehub.go:138", "connection is broken, will reconnect after 30s", ago=max(0.2, ago - 5)
    )
    beat = min(ago, lasts)
    refused = "connect: connection refused"
    site.edge_says(
        "E",
        "ws.go:77",
        f"dial websocket error(dial tcp 10.99.0.1:10000: {refused}), response message: ",
        ago=max(1.0, ago - beat + 1),
    )
    site.edge_says(
        "I", "edgestream.go:129", "Start a new tunnel stream connection", ago=max(1.0, ago - beat + 1)
    )
    site.edge_says(
        "E",
        "edgestream.go:132",
        f"dial wss://10.99.0.1:10004/v1/kubeedge/connect error dial tcp 10.99.0.1:10004: {refused}",
        ago=max(0.5, ago - beat + 0.5),
    )


def cloudcore_started(site: FaultySite, ago: float) -> None:
    """Its process was started anew, by itself or as a new pod."""
    site.change("Pod", "cloudcore-", lambda pod: _container(pod, ago))
    started = NOW - timedelta(seconds=ago)
    site.cloud.processes = [
        replace(one, started=started) if one.name == "cloudcore" else one for one in site.cloud.processes
    ]
    site.logs["cloudcore"] = ""
    site.pod_says("cloudcore", "I", "server.go:78", "Version: v1.22.0", ago=ago)
    complaint = '"Failed to scrape node" err="Get \\"https://10.99.0.2:10351/metrics/resource\\": dial tcp 10.99.0.2:10351: connect: connection refused" node="edge1"'
    site.pod_says("metrics-server", "E", "scraper.go:149", complaint, ago=ago + 3)
    if ago < PORTS_OPEN:
        for port in CLOUDCORE_PORTS:
            site.cloud.close(port=port, listening=True)
            site.cloud.close(port=port)
    else:
        for name in ("stream", "tunnel"):
            site.pod_says(
                "cloudcore",
                "I",
                "streamserver.go:1",
                f"Prepare to start {name} server ...",
                ago=ago - PORTS_OPEN,
            )
    if ago < LINKS_BACK:
        site.tunnel_down.add("cloudcore has just started")
        _lose_links(site, ago=ago, lasts=LINKS_BACK)
        site.change("NodeMetrics", "edge", None)
    else:
        for name, address in (("edge1", EDGE), ("edge2", OTHER)):
            site.pod_says(
                "cloudcore",
                "I",
                "tunnelserver.go:174",
                f"get a new tunnel agent hostname {name}, internalIP {address}",
                ago=ago - LINKS_BACK,
            )
        if ago < FIGURES:
            site.change("NodeMetrics", "edge", None)


def cloudcore_replaced(site: FaultySite, ago: float) -> None:
    """Its pod was deleted; the new one waits for the ports of the old one, then starts."""
    if ago >= 8:
        cloudcore_started(site, ago - 8)
        return
    cloudcore_started(site, 0)

    def waits(pod: Any) -> Any:
        status = replace(
            pod.status,
            phase="Pending",
            container_statuses=None,
            conditions=tuple(
                replace(one, status="False") if one.type in ("Ready", "ContainersReady") else one
                for one in pod.status.conditions or ()
            ),
        )
        made = replace(pod.metadata, creation_timestamp=NOW - timedelta(seconds=ago))
        return replace(pod, metadata=made, status=status)

    site.change("Pod", "cloudcore-", waits)
    site.cloud.processes = [one for one in site.cloud.processes if one.name != "cloudcore"]


def edgecore_started(site: FaultySite, ago: float) -> None:
    """Edgecore of edge1 was restarted."""
    started = NOW - timedelta(seconds=ago)
    site.edge.unit("edgecore.service", started=started)
    site.edge.processes = [
        replace(one, started=started) if one.name == "edgecore" else one for one in site.edge.processes
    ]
    if ago < 5:
        site.edge.close(port=EDGED, listening=True)
        site.edged_down.add("starting")
    if ago < 12:
        site.tunnel_down.add("starting")
        site.edge.close(port=HUB)
        site.journal = "\n".join(site.journal.splitlines()[:1]) + "\n"
        site.edge_says("I", "server.go:100", "Version: v1.22.0", ago=ago)
    if ago < 60:
        site.change("NodeMetrics", "edge1", None)
    broke = "get Tunnel session [edge1] reader error websocket: close 1006 (abnormal closure): unexpected EOF"
    site.pod_says("cloudcore", "E", "session.go:68", broke, ago=ago + 1)
    site.pod_says(
        "cloudcore",
        "I",
        "tunnelserver.go:174",
        f"get a new tunnel agent hostname edge1, internalIP {EDGE}",
        ago=ago - 12 if ago >= 12 else 4000,
    )


def metrics_started(site: FaultySite, ago: float) -> None:
    """Metrics-server was restarted: not ready for 25 s, first figures after two scrapes."""
    site.change("Pod", "metrics-server", lambda pod: _container(pod, ago))
    site.logs["metrics-server"] = ""
    if ago < 25:

        def unready(pod: Any) -> Any:
            conditions = tuple(
                replace(one, status="False") if one.type in ("Ready", "ContainersReady") else one
                for one in pod.status.conditions or ()
            )
            return replace(pod, status=replace(pod.status, conditions=conditions))

        site.change("Pod", "metrics-server", unready)
        site.metrics.runs = False
    elif ago < 60:
        site.metrics.scrapes = False


def booted(site: FaultySite, ago: float) -> None:
    """edge1 was rebooted."""
    first = Process(1, 0, "systemd", ("/sbin/init",), started=NOW - timedelta(seconds=ago))
    site.edge.processes = [first, *(one for one in site.edge.processes if one.pid != 1)]
    if ago < 20:
        site.edge.files["/run/containerd/containerd.sock"] = Unavailable(Reason.ABSENT, "containerd.sock")
        site.edge.says("crictl", stderr="connect: no such file or directory", code=1)
    edgecore_started(site, max(0.0, ago - 8))


EVENTS: dict[str, Callable[[FaultySite, float], None]] = {
    "cloudcore restarted": cloudcore_started,
    "cloudcore's pod deleted": cloudcore_replaced,
    "edgecore restarted": edgecore_started,
    "metrics-server restarted": metrics_started,
    "edge rebooted": booted,
}
