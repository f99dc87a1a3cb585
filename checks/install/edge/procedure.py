"""The installation of an edge: what ``kedoctor install edge`` judges and does, in this order (docs/install.md)."""

from __future__ import annotations

from kedoctor.api import Kind, Parameter, Procedure, Side, Text
from kedoctor.checks.install.edge.facts_network import CLUSTER_CIDR, POD_CIDR, SERVICE_CIDR
from kedoctor.checks.install.edge.facts_request import BUNDLE, CERT_PORT, CLOUD, NODE, TOKEN, TUNNEL_PORT

__all__ = ["EDGE"]

EDGE = Procedure(
    name="edge",
    title=Text(
        "Install KubeEdge on this host and join it to the cloud, from an offline bundle.",
        zh="用离线包在本机安装 KubeEdge 并加入云端。",
    ),
    side=Side.EDGE,
    parameters=(
        Parameter(
            setting=BUNDLE,
            option="--bundle",
            help=Text("The unpacked offline bundle.", zh="已解包的离线包目录。"),
            metavar="DIR",
            kind=Kind.DIRECTORY,
            required=True,
        ),
        Parameter(
            setting=CLOUD,
            option="--cloud",
            help=Text("cloudcore's address and hub port.", zh="cloudcore 的地址和端口。"),
            metavar="HOST[:10000]",
            required=True,
        ),
        Parameter(
            setting=TOKEN,
            option="--token-file",
            help=Text(
                "A file with the join token (keadm gettoken).", zh="包含加入令牌的文件（keadm gettoken）。"
            ),
            metavar="FILE",
            kind=Kind.SECRET_FILE,
            required=True,
        ),
        Parameter(
            setting=NODE,
            option="--node-name",
            help=Text("The name this edge gets.", zh="本边缘节点的名称。"),
            metavar="NAME",
            required=True,
        ),
        Parameter(
            setting=POD_CIDR,
            option="--pod-cidr",
            help=Text(
                "Pod addresses of this edge [default: by its name].",
                zh="本边缘节点的 Pod 网段；默认由节点名决定。",
            ),
            metavar="CIDR",
        ),
        Parameter(
            setting=CERT_PORT,
            option="--cert-port",
            help=Text("Where cloudcore issues certificates.", zh="cloudcore 签发证书的端口。"),
            metavar="PORT",
            default="10002",
        ),
        Parameter(
            setting=TUNNEL_PORT,
            option="--tunnel-port",
            help=Text("Where cloudcore takes tunnels.", zh="cloudcore 接受隧道的端口。"),
            metavar="PORT",
            default="10004",
        ),
        Parameter(
            setting=CLUSTER_CIDR,
            option="--cluster-cidr",
            help=Text(
                "The cluster's pod range; the default is K3s' own.",
                zh="集群的 Pod 网段，默认为 K3s 的默认值。",
            ),
            metavar="CIDR",
            default="10.42.0.0/16",
        ),
        Parameter(
            setting=SERVICE_CIDR,
            option="--service-cidr",
            help=Text(
                "The cluster's Service range; the default is K3s' own.",
                zh="集群的 Service 网段，默认为 K3s 的默认值。",
            ),
            metavar="CIDR",
            default="10.43.0.0/16",
        ),
    ),
    preflight=(
        "KE961",
        "KE912",
        "KE705",
        "KE712",
        "KE967",
        "KE962",
        "KE964",
        "KE965",
        "KE966",
        "KE963",
        "KE968",
    ),
    steps=(
        "KE969",
        "KE970",
        "KE971",
        "KE972",
        "KE973",
        "KE974",
        "KE978",
        "KE975",
        "KE976",
        "KE401",
        "KE701",
        "KE502",
        "KE977",
        "KE503",
        "KE703",
    ),
    # edgecore needs up to 40 s for its tunnel, and systemd 10 s between two starts of it (facts.md §10.2).
    waits={
        "KE978": 15.0,
        "KE401": 60.0,
        "KE701": 30.0,
        "KE502": 60.0,
        "KE977": 90.0,
        "KE503": 90.0,
        "KE703": 60.0,
    },
    member=NODE,
    farewell=Text(
        "The edge is installed. No pod has run on it yet: on the cloud host `sudo kedoctor gate --node {member} --wait 10m` starts one "
        "there and proves that it gets an address and that logs, exec, attach and top reach it.",
        zh="边缘节点已安装，但尚未运行过 Pod：请在云端主机上执行 `sudo kedoctor gate --node {member} --wait 10m`，它会在该边缘节点启动一个 Pod，"
        "并验证其获得地址，且 logs、exec、attach 和 top 均可到达。",
    ),
)
