"""HTTP proxies in the way of an edge: what the units of edgecore and the container runtime name (facts.md §11.5)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.container_runtime import ContainerdSettings
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.proxies import EdgeProxies, UnitProxy
from kedoctor.checks.parsers.host_port import is_ip, parse_host_port
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["edge_proxy"]

_REFUSED = patterns.compiled(r"proxyconnect tcp|Proxy Authentication Required")
_CLOUD = patterns.compiled(r":1000[024]/")
_EXCEPT = Text(
    "Add the address to NO_PROXY in a drop-in of that unit, then restart the unit.",
    zh="在该单元的 drop-in 中把此地址加入 NO_PROXY，然后重启该单元。",
)


@check(
    code="KE214",
    slug="edge-proxy",
    title=Text("No proxy stands in the edge's way", zh="没有代理阻碍边缘的连接"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="link",
    builds_on=("KE201",),
    remedy=_EXCEPT,
    references=("facts.md §11.5",),
)
def edge_proxy(
    config: EdgecoreConfig,
    proxies: EdgeProxies,
    runtime: ContainerdSettings | Unavailable,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """What edgecore says of a proxy, and whether the proxies of its units catch the cloud or a registry close by."""
    node = config.node_name
    line = None if isinstance(log, Unavailable) else log.lately(_REFUSED)
    if line is not None and not isinstance(log, Unavailable):
        return _refused(node, proxies, line, cloud=bool(_CLOUD.search(line.raw)))
    server = config.hub_server
    ours = proxies.edgecore
    if ours is not None and server is not None and ours.settings.catches(server.host, server.port):
        return _catches_cloud(node, ours, server.host)
    registry = "" if isinstance(runtime, Unavailable) else _registry(runtime.sandbox_image)
    for one in proxies.runtimes:
        place = parse_host_port(registry, 443)
        if place is not None and _near(place.host) and one.settings.catches(place.host, place.port):
            return _catches_registry(node, one, registry)
    if proxies.unread is not None:
        return unknown(
            Text(
                f"Whether {node} uses a proxy is unknown: {proxies.unread}.",
                zh=f"无法得知 {node} 是否使用代理：{proxies.unread}。",
            ),
            subject=node,
            node=node,
        )
    named = [one for one in (ours, *proxies.runtimes) if one is not None]
    told = ", ".join(f"{one.unit} {one.settings.server}" for one in named)
    return passed(
        Text(
            f"Proxies of {node} catch neither the cloud nor a registry close by: {told}."
            if named
            else f"Neither edgecore nor the runtime of {node} is started with a proxy.",
            zh=f"{node} 的代理不会截走到云端或附近镜像仓库的连接：{told}。"
            if named
            else f"{node} 的 edgecore 和运行时均未设置代理。",
        ),
        subject=node,
        node=node,
    )


def _registry(image: str) -> str:
    """The registry that an image names, empty for Docker Hub."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _near(host: str) -> bool:
    """Whether a registry stands in the site's own network: an address, or a name without a public domain."""
    return is_ip(host) or "." not in host or host.endswith((".local", ".lan", ".internal"))


def _commands(unit: str, address: str) -> tuple[str, ...]:
    name = unit.removesuffix(".service")
    return (
        f"systemctl show {name} -p Environment -p EnvironmentFiles",
        f"sudo systemctl edit {name}   # [Service] Environment=NO_PROXY=127.0.0.1,localhost,{address}",
        f"sudo systemctl restart {name}",
    )


def _refused(node: str, proxies: EdgeProxies, line: LogLine, *, cloud: bool) -> Finding:
    named = next((one for one in (proxies.edgecore, *proxies.runtimes) if one is not None), None)
    en = f" ({named.unit}: {named.settings.server})" if named is not None else ""
    zh = f"（{named.unit}：{named.settings.server}）" if named is not None else ""
    what = (
        Text("the cloud", zh="云端") if cloud else Text("an image or another server", zh="镜像或其他服务器")
    )
    tell = failed if cloud else warned
    return tell(
        Text(
            f"{node} asks a proxy{en} for {what.en}, and the proxy does not help.",
            zh=f"{node} 通过代理{zh}访问{what.zh}，而代理无法完成。",
        ),
        expected=Text("a direct connection, or a proxy that answers", zh="直连，或代理可用"),
        actual=quoted(line),
        hint=_EXCEPT,
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore", quoted(line)),),
        commands=_commands(named.unit if named is not None else "edgecore.service", "<address>"),
        breaks=None if cloud else (),
        hop=None if cloud else "runtime",
    )


def _catches_cloud(node: str, one: UnitProxy, host: str) -> Finding:
    return warned(
        Text(
            f"edgecore of {node} is started with the proxy {one.settings.server}, and NO_PROXY does not name {host}: its own links use no proxy, but plugins that it starts do.",
            zh=f"{node} 的 edgecore 启动时设置了代理 {one.settings.server}，而 NO_PROXY 不含 {host}：其自身的连接不使用代理，但它启动的插件会使用。",
        ),
        expected=Text(f"NO_PROXY with {host}", zh=f"NO_PROXY 包含 {host}"),
        actual=",".join(one.settings.exceptions) or "no NO_PROXY",
        hint=_EXCEPT,
        subject=node,
        node=node,
        evidence=(Evidence(f"systemctl show {one.unit}", f"proxy {one.settings.server}"),),
        commands=_commands(one.unit, host),
        breaks=(),
    )


def _catches_registry(node: str, one: UnitProxy, registry: str) -> Finding:
    return warned(
        Text(
            f"{one.unit.removesuffix('.service')} of {node} pulls from {registry} through the proxy {one.settings.server}: NO_PROXY does not name it.",
            zh=f"{node} 的 {one.unit.removesuffix('.service')} 通过代理 {one.settings.server} 从 {registry} 拉取镜像：NO_PROXY 不含该地址。",
        ),
        expected=Text(f"NO_PROXY with {registry}", zh=f"NO_PROXY 包含 {registry}"),
        actual=",".join(one.settings.exceptions) or "no NO_PROXY",
        hint=_EXCEPT,
        subject=node,
        node=node,
        evidence=(Evidence(f"systemctl show {one.unit}", f"proxy {one.settings.server}"),),
        commands=_commands(one.unit, registry.partition(":")[0]),
        breaks=(),
        hop="runtime",
    )
