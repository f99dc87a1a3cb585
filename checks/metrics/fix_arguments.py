"""The arguments of metrics-server (KE603).

K3s applies the manifest of its own metrics-server at every start and takes changed arguments back (k3s:
pkg/deploy/controller.go). HelmChartConfig is for charts and does not apply to it, and ``--disable=metrics-server``
would delete all nine objects and restart the API. So on a K3s server the one manifest of the Deployment is left out
with an empty ``.skip`` file beside it, which K3s looks for by name; its other objects stay K3s' own.
"""

from __future__ import annotations

from kedoctor.api import (
    EveryHost,
    NoPlan,
    PatchObject,
    Plan,
    Text,
    Unavailable,
    Verdict,
    WriteFile,
    remedy,
)
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.facts.cluster.nodes import CloudNodes
from kedoctor.checks.metrics.deployment_patches import (
    NOTICED,
    TEMPLATE,
    Patch,
    container_of,
    deployed,
    deployment_path,
    planned,
    strategy,
)
from kedoctor.checks.metrics.facts_manifest import SKIP
from kedoctor.checks.parsers.kubernetes import Deployment
from kedoctor.checks.plans.touches import METRICS_SERVER

__all__ = ["metrics_arguments"]

_K3S_LABEL = "objectset.rio.cattle.io/hash"


@remedy("KE603", touches=METRICS_SERVER)
def metrics_arguments(
    verdict: Verdict,
    server: MetricsServer,
    cloud: CloudNodes | Unavailable,
    apiservers: EveryHost[ApiserverArguments],
    addresses: EveryHost[HostAddresses],
) -> Plan | NoPlan:
    """Exactly the arguments that the check asks for; the port that is named https goes with ``--secure-port``."""
    deployment = deployed(server)
    wanted = tuple(word for word in (verdict.expected or "").split() if word.startswith("--"))
    if isinstance(deployment, NoPlan) or not wanted:
        return deployment if isinstance(deployment, NoPlan) else NoPlan(_NOTHING_WANTED)
    place = container_of(deployment)
    patch = [
        *_arguments(deployment, place, wanted),
        *_port(deployment, place, wanted),
        *strategy(deployment),
    ]
    told = " ".join(wanted)
    title = Text(
        f"set {told} in the Deployment of metrics-server and leave its other arguments",
        zh=f"在 metrics-server 的 Deployment 中设置 {told}，其他参数不变",
    )
    action = PatchObject(deployment_path(deployment), "json", patch)
    if _K3S_LABEL not in deployment.metadata.labels:
        return planned(verdict, title, action)
    server_here = _k3s_server(cloud, apiservers, addresses)
    if server_here is None:
        return planned(verdict, title, action, prediction=_taken_back())
    skip = WriteFile(f"{server_here.data_directory}/{SKIP}", b"")
    return planned(verdict, title, skip, action, prediction=_kept(skip.path))


_DATA_DIR = "/var/lib/rancher/k3s"
_NOTHING_WANTED = Text("which arguments are lacking was not said", zh="未说明缺少哪些参数")


def _arguments(deployment: Deployment, place: int, wanted: tuple[str, ...]) -> Patch:
    """The words of ``command`` and ``args`` with these flags; one that is given already is replaced where it stands."""
    container = deployment.spec.template.spec.containers[place]
    words = {"command": list(container.command or ()), "args": list(container.args or ())}
    for flag in wanted:
        name = flag.partition("=")[0]
        home = next((key for key, given in words.items() if _index(given, name) >= 0), "args")
        words[home] = _replaced(words[home], name, flag)
    before = {"command": list(container.command or ()), "args": list(container.args or ())}
    return [
        {"op": "add", "path": f"{TEMPLATE}/containers/{place}/{key}", "value": words[key]}
        for key in words
        if words[key] != before[key]
    ]


def _index(words: list[str], name: str) -> int:
    return next((place for place, word in enumerate(words) if word.partition("=")[0] == name), -1)


def _replaced(words: list[str], name: str, flag: str) -> list[str]:
    place = _index(words, name)
    if place < 0:
        return [*words, flag]
    follows = words[place + 1 : place + 2]
    # ``--flag value`` in two words: the value goes with it.
    behind = (
        place + 2 if "=" not in words[place] and follows and not follows[0].startswith("-") else place + 1
    )
    kept = [word for word in words[behind:] if word.partition("=")[0] != name]
    return [*words[:place], flag, *kept]


def _port(deployment: Deployment, place: int, wanted: tuple[str, ...]) -> Patch:
    """The port named https moved with the listener; with hostNetwork Kubernetes may have noted it as hostPort, too."""
    port = next((flag.partition("=")[2] for flag in wanted if flag.startswith("--secure-port=")), "")
    ports = deployment.spec.template.spec.containers[place].ports or ()
    patch: Patch = []
    for number, one in enumerate(ports):
        if port and one.name == "https" and one.container_port != int(port):
            where = f"{TEMPLATE}/containers/{place}/ports/{number}"
            patch.append({"op": "replace", "path": f"{where}/containerPort", "value": int(port)})
            if one.host_port:
                patch.append({"op": "replace", "path": f"{where}/hostPort", "value": int(port)})
    return patch


def _k3s_server(
    cloud: CloudNodes | Unavailable,
    apiservers: EveryHost[ApiserverArguments],
    addresses: EveryHost[HostAddresses],
) -> ApiserverArguments | None:
    """The K3s server that this host is, if it is one of this very cluster."""
    if isinstance(cloud, Unavailable):
        return None
    for name, arguments in apiservers.known().items():
        own = addresses.known().get(name)
        member = name in cloud.names or (
            own is not None and any(host.address and own.has(host.address) for host in cloud.hosts)
        )
        if arguments.is_k3s and member:
            return arguments
    return None


def _taken_back() -> Text:
    return Text(
        f"{NOTICED.en} K3s brought this Deployment and takes the arguments back at its next start; run kedoctor on the "
        f"K3s server too, or there: sudo touch {_DATA_DIR}/{SKIP}",
        zh=f"{NOTICED.zh}该 Deployment 由 K3s 提供，K3s 下次启动会还原参数；请在 K3s 服务器上也运行 kedoctor，"
        f"或在那里执行：sudo touch {_DATA_DIR}/{SKIP}",
    )


def _kept(path: str) -> Text:
    return Text(
        f"{NOTICED.en} The empty file {path} keeps K3s from taking the arguments back at its next start, and from "
        "upgrading this Deployment; other K3s servers of this cluster need it, too.",
        zh=f"{NOTICED.zh}空文件 {path} 使 K3s 下次启动时不再还原参数，也不再升级该 Deployment；"
        "本集群的其他 K3s 服务器也需要该文件。",
    )
