"""The recorded healthy site of v1.22.0 as it would be with another KubeEdge release.

::

    site = ReleaseSite(release="v1.19.0")
    site.report()                # as `kedoctor run` over the cloud host and edge1

What differs stands in ``release_sites.yaml``, read in the source of each tag. The site is a :class:`FaultySite`: faults
can be put in, and what follows from them is derived as on the recorded one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from faulty_site import CLOUD, CONFIG, NOW, FaultySite

from kedoctor.api import decode_yaml
from kedoctor.base.records import replace
from kedoctor.model.observations.apiserver import ApiAnswer
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.yaml.document import RemoveKey, SetKey
from kedoctor.yaml.edit import edit

__all__ = ["RECORDED", "RELEASES", "ReleaseSite", "number"]

RECORDED = "v1.22.0"
_FIRST_PORT = 10351
_MANAGER = "cloud-iptables-manager"
_CHAIN = "TUNNEL-PORT"


@cache
def differences() -> Mapping[str, Any]:
    """The table."""
    found: dict[str, Any] = decode_yaml(Path(__file__).with_name("release_sites.yaml").read_bytes())
    return found


def number(release: str) -> tuple[int, ...]:
    """``v1.22.0`` as numbers that can be compared."""
    return tuple(int(part) for part in release.removeprefix("v").split("."))


def since(release: str, firsts: str | Sequence[str]) -> bool:
    """Whether a release is one of those from the first of its line on, or newer than all that are listed."""
    listed = [number(one) for one in ((firsts,) if isinstance(firsts, str) else firsts)]
    here = number(release)
    same = [one for one in listed if one[:2] == here[:2]]
    return here >= (same[0] if same else max(listed))


def within(release: str, bounds: Mapping[str, Any]) -> bool:
    """Whether a release is at most ``until`` or at least ``since``, where those are given."""
    until, first = bounds.get("until"), bounds.get("since")
    return (until is not None and number(release) <= number(until)) or (
        first is not None and number(release) >= number(first)
    )


RELEASES: tuple[str, ...] = tuple(differences()["sites"])


@dataclass
class ReleaseSite(FaultySite):
    """The site with that release in the cloud and on both edges."""

    release: str = RECORDED

    def __post_init__(self) -> None:
        super().__post_init__()
        table = differences()
        self.external = since(self.release, table["external"])
        self._name_versions(table["sites"][self.release])
        self._configure_programs(table)
        self._let_manager_write(table)
        self._serve(table)
        self._say(table["logs"]["cloudcore"])
        for entry in self._other_words():
            self.journal = self.journal.replace(entry["words"], entry["instead"])

    def _other_words(self) -> list[Mapping[str, Any]]:
        return [entry for entry in differences()["said"] if within(self.release, entry)]

    def edge_says(self, severity: str, source: str, message: str, *, times: int = 1, ago: float = 60) -> None:
        """The line as this release writes it."""
        for entry in self._other_words():
            if entry["words"] in message:
                told = message.replace(entry["words"], entry["instead"])
                if entry.get("plain"):
                    self.edge_prints(told, ago=ago)
                else:
                    super().edge_says(severity, source, told, times=times, ago=ago)
                return
        super().edge_says(severity, source, message, times=times, ago=ago)

    # -------------------------------------------------------------------------------------------- versions

    def _name_versions(self, site: Mapping[str, str]) -> None:
        kubernetes, metrics = site["kubernetes"], site["metrics-server"]
        edge = f"{site['kubelet']}-kubeedge-{self.release}"

        def node(item: Any) -> Any:
            version = edge if "kubeedge" in item.status.node_info.kubelet_version else kubernetes
            info = replace(item.status.node_info, kubelet_version=version)
            return replace(item, status=replace(item.status, node_info=info))

        def tagged(image: str) -> str:
            repository, _, tag = image.rpartition(":")
            if repository.endswith("metrics-server"):
                return f"{repository}:{metrics}"
            return f"{repository}:{self.release}" if tag == RECORDED else image

        def containers(spec: Any) -> Any:
            return replace(
                spec, containers=tuple(replace(one, image=tagged(one.image)) for one in spec.containers)
            )

        def template(item: Any) -> Any:
            made = replace(item.spec.template, spec=containers(item.spec.template.spec))
            return replace(item, spec=replace(item.spec, template=made))

        self.change("Node", "", node)
        self.change("Pod", "", lambda pod: replace(pod, spec=containers(pod.spec)))
        for kind in ("Deployment", "DaemonSet"):
            self.change(kind, "", template)
        self.paths["/version"] = self._json({"gitVersion": kubernetes})
        self.journal = self.journal.replace(f"Version: {RECORDED}", f"Version: {self.release}")

    # --------------------------------------------------------------------------------------- configuration

    def _configure_programs(self, table: Mapping[str, Any]) -> None:
        self.edge.files[CONFIG] = configured(self.release, "edgecore", self.edge.content(CONFIG))
        if since(self.release, table["came"]["edgecore"]["edgecoreVersion"]):
            self.set("edgecoreVersion", self.release)

        def change(item: Any) -> Any:
            text = configured(self.release, "cloudcore", item.data["cloudcore.yaml"].encode()).decode()
            return replace(item, data={**item.data, "cloudcore.yaml": text})

        self.change("ConfigMap", "cloudcore", change)

    # ------------------------------------------------------------------------------------------- diversion

    def _let_manager_write(self, table: Mapping[str, Any]) -> None:
        if not self.external:
            for kind in ("DaemonSet", "Pod"):
                self.change(kind, _MANAGER, None)
            self.cloud.processes = [one for one in self.cloud.processes if one.name != "iptables-manage"]
        if not since(self.release, table["moving"]):
            self._keep_first_port()
        if not within(self.release, table["legacy"]["external" if self.external else "internal"]):
            self._write_to_nft()

    def _keep_first_port(self) -> None:
        """Nobody ever deleted the record of a cloudcore, so each of them found its first port again."""
        recorded = self.tunnel_port
        self.tunnel_port = _FIRST_PORT
        record = json.dumps({"ipTunnelPort": {CLOUD: _FIRST_PORT}, "port": {str(_FIRST_PORT): True}})

        def annotated(item: Any) -> Any:
            annotations = replace(item.metadata.annotations, tunnel_port_record=record)
            return replace(item, metadata=replace(item.metadata, annotations=annotations))

        def moved(node: Any) -> Any:
            endpoint = node.status.daemon_endpoints.kubelet_endpoint
            if endpoint.port != recorded:
                return node
            endpoints = replace(
                node.status.daemon_endpoints, kubelet_endpoint=replace(endpoint, port=_FIRST_PORT)
            )
            return replace(node, status=replace(node.status, daemon_endpoints=endpoints))

        self.change("ConfigMap", "tunnelport", annotated)
        self.change("Node", "edge", moved)
        former = [
            line for line in self.legacy.splitlines() if "--dport" in line and str(recorded) not in line
        ]
        for line in former:
            self.change_rules(f"{line}\n", "")
        self.change_rules(f"--dport {recorded} ", f"--dport {_FIRST_PORT} ")

    def _write_to_nft(self) -> None:
        """The chain stands in the nft tables, and the kernel has no legacy table."""
        lines = [line for line in self.legacy.splitlines(keepends=True) if _CHAIN in line]
        chain = "".join(line for line in lines if line.startswith(":"))
        before, nat, after = self.nft.rpartition("*nat\n")
        head, commit, tail = after.partition("COMMIT\n")
        first_rule = head.index("-A ")
        rules = "".join(line for line in lines if line.startswith("-A"))
        self.nft = before + nat + head[:first_rule] + chain + rules + head[first_rule:] + commit + tail
        self.legacy = ""
        self.cloud.files["/proc/net/ip_tables_names"] = b""

    # -------------------------------------------------------------------------------------------- the API

    def _serve(self, table: Mapping[str, Any]) -> None:
        for group, names in table["resources"].items():
            served = [{"name": name} for name, first in names.items() if since(self.release, first)]
            self.paths[f"/apis/{group}"] = self._json({"resources": served})
        without = Unavailable(Reason.ABSENT, "operations.kubeedge.io/v1alpha2", "the server has no such kind")
        jobs = () if since(self.release, table["jobs"]) else without
        self.lists |= {"NodeUpgradeJob": jobs, "ConfigUpdateJob": jobs}
        if not since(self.release, table["quic_udp"]):
            self.change("Service", "cloudcore", _all_tcp)

    def _json(self, value: Any) -> ApiAnswer:
        return ApiAnswer(200, json.dumps(value).encode(), NOW, "application/json")

    def _say(self, lines: Sequence[Mapping[str, Any]]) -> None:
        for line in lines:
            if since(self.release, line["since"]):
                self.pod_says("cloudcore", line["severity"], line["place"], line["text"], ago=100)


@cache
def configured(release: str, program: str, text: bytes) -> bytes:
    """A file as that release writes it: without the keys that came later, with those that came or went."""
    table = differences()
    came: Mapping[str, str] = table["came"][program]
    added: Mapping[str, Mapping[str, Any]] = table["added"][program]
    gone = [RemoveKey(path) for path, first in came.items() if not since(release, first)]
    more = [SetKey(path, entry["value"]) for path, entry in added.items() if within(release, entry)]
    if program == "cloudcore" and not since(release, table["external"]):
        more.append(SetKey("modules.iptablesManager.mode", "internal"))
    return edit(text, [*gone, *more])


def _all_tcp(service: Any) -> Any:
    ports = tuple(replace(one, protocol="TCP") for one in service.spec.ports)
    return replace(service, spec=replace(service.spec, ports=ports))
