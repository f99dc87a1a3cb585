"""What has just begun on a site: starts of cloudcore, metrics-server and edgecore, a boot, a tunnel that has just come.

The times are those of facts.md §10.2, measured on a real site: after a start of cloudcore its ports are open within half
a minute, an edge's hub link is back after at most 30 s more, and metrics-server needs two scrapes after that. A process
that has died since, or whose last life was as short, is no starting one: what it breaks is told as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kedoctor.api import Clock, Host, Identity, Processes, Text, Transition, Unavailable, fact, require
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit, EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.sockets_and_probes import CloudPorts
from kedoctor.checks.parsers.kubernetes import Deployment, Pod
from kedoctor.checks.parsers.kubernetes.pod_health import (
    condition,
    is_live,
    keeps_dying,
    running_since,
    trouble,
)

__all__ = ["HostTransitions", "SiteTransitions", "host_transitions", "site_transitions"]

_PORTS = timedelta(seconds=40)  # until cloudcore listens on all four ports
_LINKS = timedelta(seconds=75)  # … and every edge is back
_EDGECORE = timedelta(seconds=60)  # until edgecore has its tunnel and the Node is Ready
_BOOT = timedelta(seconds=120)
_DIAL = timedelta(seconds=60)  # for how long a link that was lost may take to come back
_POD = timedelta(seconds=60)  # until a new pod of cloudcore runs, with the old one's end before it
_SCRAPES = timedelta(seconds=15)
_BEGIN = timedelta(seconds=-5)  # clocks of two hosts are never quite the same
_STUCK = frozenset(
    (
        "CrashLoopBackOff",
        "ErrImageNeverPull",
        "ImagePullBackOff",
        "ErrImagePull",
        "CreateContainerConfigError",
    )
)

_PATH = (
    *(
        "KE112",
        "KE301",
        "KE302",
        "KE303",
        "KE304",
        "KE305",
        "KE308",
        "KE309",
        "KE501",
        "KE503",
        "KE505",
        "KE508",
    ),
    *("KE509", "KE511", "KE513", "KE514", "KE702", "KE711"),
)
"""What cloudcore's start leaves open: its ports, its tunnel port and what follows it, the edges' links and sessions."""

_FIGURES = ("KE602", "KE605", "KE606", "KE607")
_EDGE = ("KE112", "KE301", "KE502", "KE503", "KE508", "KE511", "KE513", "KE514", "KE702", "KE711")
"""What edgecore's start leaves open; the ports of the cloud do not depend on it."""

_BOOTING = (*_EDGE, "KE501", "KE505", "KE701", "KE706", "KE707")


@dataclass(frozen=True, slots=True)
class SiteTransitions:
    """What the API shows to have just begun."""

    items: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True)
class HostTransitions:
    """What one host shows to have just begun."""

    items: tuple[Transition, ...] = ()


@fact
def site_transitions(
    time: SiteTime,
    workload: CloudcoreWorkload | Unavailable,
    server: MetricsServer | Unavailable,
    log: CloudcoreLog | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> SiteTransitions:
    """Starts of cloudcore and metrics-server, edges that have just joined, tunnels that have just come."""
    now = time.now
    scrapes = _SCRAPES + 2 * (timedelta(seconds=60) if isinstance(server, Unavailable) else server.resolution)
    items: list[Transition] = []
    if not isinstance(workload, Unavailable):
        items += _cloudcore(workload, now, scrapes)
    if not isinstance(server, Unavailable):
        items += _metrics_server(server, now, scrapes)
    if not isinstance(edges, Unavailable):
        tunnels = {} if isinstance(log, Unavailable) else log.tunnels
        for edge in edges.items:
            items += _edge(edge.name, edge.created, tunnels.get(edge.name), now=now, scrapes=scrapes)
            items += _gone(edge.name, None if isinstance(log, Unavailable) else log.lost.get(edge.name), now)
    return SiteTransitions(tuple(items))


def _cloudcore(workload: CloudcoreWorkload, now: datetime, scrapes: timedelta) -> Iterator[Transition]:
    live = [pod for pod in workload.pods if is_live(pod)]
    if any(keeps_dying(pod, now) for pod in workload.pods):
        return
    started = max((start for pod in live if (start := running_since(pod)) is not None), default=None)
    if started is not None:
        age = _ago(now, started)
        event = Text(f"cloudcore was started {age.en} ago", zh=f"cloudcore 在 {age.zh}前启动")
        links = Text(
            "its ports, the record of its tunnel port and the links of the edges",
            zh="其端口、隧道端口记录和各边缘节点的连接",
        )
        yield from _one(event, links, started, _LINKS, now=now, codes=_PATH)
        yield from _one(event, _FIRST, started, _LINKS + scrapes, now=now, codes=_FIGURES)
        return
    begun = _pod_begun(workload.deployment, workload.pods, now)
    if begun is not None:
        age = _ago(now, begun)
        event = Text(
            f"a pod of cloudcore was replaced {age.en} ago", zh=f"cloudcore 的 Pod 在 {age.zh}前被替换"
        )
        awaited = Text("its start and the links of the edges", zh="其启动以及各边缘节点的连接")
        yield from _one(event, awaited, begun, _POD, now=now, codes=(*_PATH, "KE105", *_FIGURES))


_FIRST = Text("the first metrics of metrics-server", zh="metrics-server 的首批指标")


def _pod_begun(deployment: Deployment | None, pods: tuple[Pod, ...], now: datetime) -> datetime | None:
    """When a pod that does not run yet was made, or since when there is none although one is wanted."""
    if deployment is None or deployment.spec.replicas == 0:
        return None
    coming = [pod for pod in pods if pod.metadata.deletion_timestamp is None and not is_live(pod)]
    if any(_hopeless(pod, leaving=len(pods) > len(coming)) for pod in coming):
        return None
    made = [pod.metadata.creation_timestamp for pod in coming if pod.metadata.creation_timestamp is not None]
    if made:
        return max(made)
    if coming:
        return None
    if pods:  # only pods that are being deleted; the next one is made at once
        return now
    lost = condition(deployment.status.conditions, "Available")
    return lost.last_transition_time if lost is not None and lost.status == "False" else None


def _hopeless(pod: Pod, *, leaving: bool) -> bool:
    """Whether what a pod waits for does not come by itself; ports of the host come free when the old pod has left."""
    why = trouble(pod)
    if why is None:
        return False
    return why.reason in _STUCK or (why.reason == "Unschedulable" and not leaving) or bool(why.restarts)


def _metrics_server(server: MetricsServer, now: datetime, scrapes: timedelta) -> Iterator[Transition]:
    pods = server.live_pods
    if any(keeps_dying(pod, now) for pod in pods):
        return
    start = max((begun for pod in pods if (begun := running_since(pod)) is not None), default=None)
    if start is None and isinstance(server.deployment, Deployment):
        start = _pod_begun(server.deployment, pods, now)
    if start is None:
        return
    age = _ago(now, start)
    event = Text(f"metrics-server was started {age.en} ago", zh=f"metrics-server 在 {age.zh}前启动")
    yield from _one(event, _FIRST, start, scrapes + timedelta(seconds=20), now=now, codes=_FIGURES)


def _edge(
    name: str, created: datetime | None, tunnel: datetime | None, *, now: datetime, scrapes: timedelta
) -> Iterator[Transition]:
    if created is not None:
        age = _ago(now, created)
        event = Text(f"{name} joined {age.en} ago", zh=f"{name} 在 {age.zh}前加入")
        yield from _one(event, _LINK, created, _EDGECORE, now=now, codes=_EDGE, nodes=(name,))
        yield from _one(event, _FIRST, created, _EDGECORE + scrapes, now=now, codes=_FIGURES, nodes=(name,))
    if tunnel is not None:
        age = _ago(now, tunnel)
        event = Text(f"the tunnel of {name} was opened {age.en} ago", zh=f"{name} 的隧道在 {age.zh}前建立")
        settled = Text("requests through it", zh="经由该隧道的请求")
        yield from _one(
            event,
            settled,
            tunnel,
            timedelta(seconds=40),
            now=now,
            codes=("KE112", "KE301", "KE513", "KE702"),
            nodes=(name,),
        )
        yield from _one(event, _FIRST, tunnel, scrapes, now=now, codes=("KE606", "KE607"), nodes=(name,))


def _gone(name: str, lost: datetime | None, now: datetime) -> Iterator[Transition]:
    """A link that cloudcore lost a moment ago: an edgecore that restarts takes it again."""
    if lost is None:
        return
    age = _ago(now, lost)
    event = Text(f"cloudcore lost {name} {age.en} ago", zh=f"cloudcore 在 {age.zh}前与 {name} 断开")
    awaited = Text("reconnecting, as after a restart of edgecore,", zh="重新连接（如 edgecore 重启之后）")
    yield from _one(event, awaited, lost, _DIAL, now=now, codes=(*_EDGE, "KE606", "KE607"), nodes=(name,))


_LINK = Text("its link, its tunnel and its Node", zh="其连接、隧道和 Node 状态")


@fact
def host_transitions(
    host: Host,
    clock: Clock,
    unit: EdgecoreUnit,
    name: EdgeName,
    log: EdgecoreLog | Unavailable,
    *,
    ports: CloudPorts | Unavailable,
) -> HostTransitions:
    """The boot of a host, the start of its edgecore, and links to the cloud that were lost a moment ago."""
    now = require(clock.now()).time
    items = list(_boot(host, unit, name.name, now))
    if unit.known:
        items += _edgecore(unit, name.name, log, now)
        items += [] if isinstance(log, Unavailable) else _lost(name.name, log, now, ports)
    return HostTransitions(tuple(items))


def _boot(host: Host, unit: EdgecoreUnit, name: str, now: datetime) -> Iterator[Transition]:
    identity = host.identity()
    booted = _booted(host, identity)
    if booted is None:
        return
    age = _ago(now, booted)
    where = name if unit.known or isinstance(identity, Unavailable) else identity.hostname
    event = Text(f"{where} was booted {age.en} ago", zh=f"{where} 在 {age.zh}前启动")
    awaited = Text("its container runtime and the programs that need it", zh="容器运行时及依赖它的程序")
    nodes = (name,) if unit.known else ()
    yield from _one(event, awaited, booted, _BOOT, now=now, codes=_BOOTING, nodes=nodes)


def _booted(host: Host, identity: Identity | Unavailable) -> datetime | None:
    """When the first process of this machine began; a machine in a container boots without its kernel doing so."""
    table = host.processes()
    first = None
    if isinstance(table, Processes):
        first = next((one.started for one in table.items if one.pid == 1), None)
    kernel = identity.booted if isinstance(identity, Identity) else None
    return max((time for time in (first, kernel) if time is not None), default=None)


def _edgecore(
    unit: EdgecoreUnit, name: str, log: EdgecoreLog | Unavailable, now: datetime
) -> Iterator[Transition]:
    nodes = (name,)
    if unit.changing:
        event = Text(f"edgecore of {name} is being restarted", zh=f"{name} 的 edgecore 正在重启")
        yield from _one(
            event, _LINK, now, _EDGECORE, now=now, codes=(*_EDGE, "KE701", *_FIGURES), nodes=nodes
        )
        return
    if unit.waits_for_restart:
        ended = None if isinstance(log, Unavailable) else log.ended_once()
        if ended is not None:
            event = Text(
                f"edgecore of {name} exited {_ago(now, ended).en} ago and systemd starts it again",
                zh=f"{name} 的 edgecore 在 {_ago(now, ended).zh}前退出，systemd 正在重新启动",
            )
            codes = (*_EDGE, "KE701", *_FIGURES)
            yield from _one(event, _LINK, ended, _EDGECORE, now=now, codes=codes, nodes=nodes)
        return
    started = unit.started
    dying = not isinstance(log, Unavailable) and log.keeps_dying(now)
    if started is None or unit.runs is False or dying:
        return
    age = _ago(now, started)
    event = Text(f"edgecore of {name} was started {age.en} ago", zh=f"{name} 的 edgecore 在 {age.zh}前启动")
    yield from _one(event, _LINK, started, _EDGECORE, now=now, codes=_EDGE, nodes=nodes)
    figures = _EDGECORE + timedelta(seconds=135)
    yield from _one(event, _FIRST, started, figures, now=now, codes=("KE606", "KE607"), nodes=nodes)


def _lost(
    name: str, log: EdgecoreLog, now: datetime, ports: CloudPorts | Unavailable
) -> Iterator[Transition]:
    """A link of edgecore that broke a moment ago: a cloudcore that restarts closes it and takes it again.

    Where one of its ports answers, cloudcore has come up, and a port that does not is a fault of its own.
    """
    broken = [time for time in (log.hub_lost(), log.tunnel_lost()) if time is not None]
    if not broken:
        return
    since = max(broken)
    age = _ago(now, since)
    event = Text(
        f"edgecore of {name} lost the cloud {age.en} ago", zh=f"{name} 的 edgecore 在 {age.zh}前与云端断开"
    )
    awaited = Text("reconnecting, as after a restart of cloudcore,", zh="重新连接（如 cloudcore 重启之后）")
    probes = () if isinstance(ports, Unavailable) else ports.probes
    up = any(not isinstance(one.tcp, Unavailable) for one in probes)
    # A dead hub link has been so for minutes: it does not wait for another link to come back.
    codes = (*(() if up else ("KE505",)), *(code for code in _EDGE if code not in ("KE502", "KE511")))
    yield from _one(event, awaited, since, _DIAL, now=now, codes=codes, nodes=(name,))


def _one(
    event: Text,
    awaited: Text,
    since: datetime,
    takes: timedelta,
    *,
    now: datetime,
    codes: tuple[str, ...],
    nodes: tuple[str, ...] = (),
) -> Iterator[Transition]:
    """The transition, while it lasts."""
    if _BEGIN <= now - since < takes:
        yield Transition(
            event=event, awaited=awaited, since=since, until=since + takes, codes=codes, nodes=nodes
        )


def _ago(now: datetime, then: datetime) -> Text:
    seconds = max(0, round((now - then).total_seconds()))
    return Text(f"{seconds} s", zh=f"{seconds} 秒")
