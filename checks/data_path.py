"""The data path of a KubeEdge site: its hops, and the capabilities that travel them (facts.md §3).

``kubectl logs``, ``exec`` and ``attach`` go from the API server to the address and port of the edge Node, are
diverted by a DNAT rule to cloudcore's stream server (10003), look up the session of the edge, and come through
its tunnel (10004) to edged (127.0.0.1:10350). ``kubectl top`` starts at the metrics API and metrics-server and
then goes the same way. ``ready`` needs the hub link (10000), certificates, edgecore and the runtime.
"""

from __future__ import annotations

from kedoctor.api import DataPath, Side, Text
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.site_info import AboutSite
from kedoctor.checks.facts.edge.edgecore import EdgeName

__all__ = ["ALL_STREAMS", "PATH"]

ALL_STREAMS = ("logs", "exec", "attach", "top")
"""The capabilities that go through the stream tunnel."""

# In the order in which causes are named: the way of every request first, then what only `top` needs.
HOPS = {
    "api": Text("API server", zh="API 服务器"),
    "address": Text("address and port of the Node", zh="节点的地址和端口"),
    "diversion": Text("DNAT rule to cloudcore", zh="转发到 cloudcore 的 DNAT 规则"),
    "stream": Text("cloudcore stream server, 10003", zh="cloudcore 流服务（端口 10003）"),
    "session": Text("session of the edge in cloudcore", zh="cloudcore 中该边缘节点的会话"),
    "tunnel": Text("tunnel from the edge, 10004", zh="边缘节点主动建立的隧道（端口 10004）"),
    "link": Text("edge link to the cloud, 10000", zh="边缘节点到云端的连接（端口 10000）"),
    "certificates": Text("certificates of the edge", zh="边缘节点的证书"),
    "edgecore": Text("edgecore", zh="edgecore"),
    "edged": Text("edged, 127.0.0.1:10350", zh="edged（127.0.0.1:10350）"),
    "runtime": Text("container runtime", zh="容器运行时"),
    "apiservice": Text("metrics API registration", zh="指标 API 注册"),
    "metrics-server": Text("metrics-server", zh="metrics-server"),
}

NAMES = {
    "api": Text("api", zh="API 服务器"),
    "address": Text("address", zh="节点地址"),
    "diversion": Text("DNAT rule", zh="DNAT 规则"),
    "stream": Text("stream", zh="流服务"),
    "session": Text("session", zh="会话"),
    "tunnel": Text("tunnel", zh="隧道"),
    "link": Text("link", zh="云边连接"),
    "certificates": Text("certificates", zh="证书"),
    "runtime": Text("runtime", zh="容器运行时"),
    "apiservice": Text("apiservice", zh="指标 API"),
}
"""As a column of the matrix calls them; the others are called the same everywhere."""

SIDES = {
    "api": Side.CLOUD,
    "address": Side.CLOUD,
    "diversion": Side.CLOUD,
    "stream": Side.CLOUD,
    "session": Side.CLOUD,
    "tunnel": Side.SITE,
    "link": Side.SITE,
    "certificates": Side.EDGE,
    "edgecore": Side.EDGE,
    "edged": Side.EDGE,
    "runtime": Side.EDGE,
    "apiservice": Side.CLOUD,
    "metrics-server": Side.CLOUD,
}

_STREAM_HOPS = ("address", "diversion", "stream", "session", "tunnel", "edgecore", "edged", "runtime")

PATH = DataPath(
    hops=HOPS,
    names=NAMES,
    capabilities={
        "logs": ("api", *_STREAM_HOPS),
        "exec": ("api", *_STREAM_HOPS),
        "attach": ("api", *_STREAM_HOPS),
        "top": ("api", "apiservice", "metrics-server", *_STREAM_HOPS),
        "ready": ("link", "certificates", "edgecore", "runtime"),
    },
    members=EdgeNodes,
    about=AboutSite,
    own_member=EdgeName,
    sides=SIDES,
)
