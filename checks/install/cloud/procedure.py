"""``kedoctor install cloud``: K3s, cloudcore and metrics-server from an offline bundle (kubeprepare.md §1.3; requirements.md R055-R084).

Most steps are checks of a plain run. Those of their own are what no check looks at on a site that runs.
"""

from __future__ import annotations

from kedoctor.api import Kind, Parameter, Procedure, Side, Text
from kedoctor.checks.install.cloud.facts_join_token import JoinOffer

__all__ = ["CLOUD"]

CLOUD = Procedure(
    name="cloud",
    title=Text(
        "Install the cloud side on this host: K3s unless a Kubernetes is here, cloudcore, and what edges need of them.",
        zh="在本机安装云端：K3s（已有 Kubernetes 时除外）、cloudcore，以及边缘节点所需的设置。",
    ),
    side=Side.CLOUD,
    parameters=(
        Parameter(
            setting="bundle",
            option="--bundle",
            help=Text("Directory of the offline bundle.", zh="离线包目录。"),
            metavar="DIR",
            kind=Kind.DIRECTORY,
            required=True,
        ),
        Parameter(
            setting="advertise_address",
            option="--advertise-address",
            help=Text(
                "The IPv4 address under which edges reach this host.", zh="边缘节点访问本机的 IPv4 地址。"
            ),
            metavar="IP",
            required=True,
        ),
        Parameter(
            setting="node_name",
            option="--node-name",
            help=Text("Node name of this host [default: its host name].", zh="本机的节点名；默认为主机名。"),
            metavar="NAME",
        ),
    ),
    preflight=("KE951", "KE953", "KE954", "KE911", "KE952"),
    steps=(
        "KE955",
        "KE956",
        "KE957",
        "KE958",
        "KE959",
        "KE960",
        "KE980",
        "KE981",
        "KE103",
        "KE101",
        "KE102",
        "KE107",
        "KE105",
        "KE108",
        "KE501",
        "KE307",
        "KE302",
        "KE982",
        "KE601",
        "KE608",
        "KE603",
        "KE604",
        "KE602",
        "KE983",
        "KE409",
        "KE923",
        "KE984",
    ),
    optional=("KE982", "KE601", "KE608", "KE603", "KE604", "KE602", "KE983"),
    # cloudcore sleeps up to 9 s before it listens, and its manager and metrics-server need pods (facts.md §10.2).
    waits={"KE105": 60.0, "KE501": 60.0, "KE307": 60.0, "KE302": 30.0, "KE602": 120.0},
    handover=JoinOffer,
)
