"""The custom resources of KubeEdge, as the API server serves them (facts.md §5.2, §10 (35))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kedoctor.api import ApiAnswer, Cluster, Reason, Record, RecordError, Unavailable, decode, fact, require

__all__ = ["REQUIRED", "ServedResources"]

REQUIRED = {"reliablesyncs.kubeedge.io/v1alpha1": ("objectsyncs", "clusterobjectsyncs")}
"""CloudHub opens no port before it has read these."""

_DEVICES = "devices.kubeedge.io/v1beta1"
USEFUL = {
    _DEVICES: ("devices", "devicemodels"),
    "rules.kubeedge.io/v1": ("rules", "ruleendpoints"),
}
"""Cloudcore asks for these too, but starts without them."""


@dataclass(frozen=True, slots=True)
class ServedResources:
    """The full names (``objectsyncs.reliablesyncs.kubeedge.io``) that are asked for and not served."""

    missing: tuple[str, ...] = ()
    missing_useful: tuple[str, ...] = ()
    device_statuses: bool = True
    """Whether ``devicestatuses.devices.kubeedge.io`` is served, which cloudcore asks for from v1.23 on."""


class _Resource(Record, frozen=True):
    name: str = ""


class _Resources(Record, frozen=True):
    resources: tuple[_Resource, ...] = ()


@fact
def served_resources(cluster: Cluster) -> ServedResources:
    """What ``/apis/<group>/<version>`` lists: one small answer per group, not the large CRDs themselves."""
    newer = _missing(cluster, {_DEVICES: ("devicestatuses",)})
    return ServedResources(_missing(cluster, REQUIRED), _missing(cluster, USEFUL), not newer)


def _missing(cluster: Cluster, wanted: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found: list[str] = []
    for group, names in wanted.items():
        answer = cluster.get(f"/apis/{group}")
        absent = isinstance(answer, Unavailable) and answer.reason is Reason.ABSENT
        served = set() if absent else _served(group, require(answer))
        found += [f"{name}.{group.partition('/')[0]}" for name in names if name not in served]
    return tuple(found)


def _served(group: str, answer: ApiAnswer) -> set[str]:
    if answer.status == 404:
        return set()
    if answer.status != 200:
        return require(Unavailable(Reason.ERROR, f"the resources of {group}", f"HTTP {answer.status}"))
    try:
        return {one.name for one in decode(answer.body, _Resources).resources}
    except RecordError as error:
        return require(Unavailable(Reason.INVALID, f"the resources of {group}", str(error)))
