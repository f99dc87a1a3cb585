"""Faults of a site with two cloudcores (:mod:`shaped_site`): what is broken, and on which edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faulty_machine import CLOUD, NODE_PORT
from faulty_site import silent
from shaped_site import CLOUD2, MANAGER2, OTHER_PORT, RULE, SECOND, TwoClouds

from kedoctor.base.records import replace

SECOND_RULE = RULE.format(port=OTHER_PORT, address=CLOUD2)
JUMP = '-A OUTPUT -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT\n'


@dataclass(frozen=True, slots=True)
class ShapeFault:
    """One fault: the cause that must be named (and no other) and the edges it concerns; ``warns``: it breaks nothing now.

    ``laptop`` is the cause where only the API server can be asked; empty: nothing shows there. ``first`` is whether the
    first cloud host shows it.
    """

    name: str
    code: str
    nodes: tuple[str, ...]
    inject: Callable[[TwoClouds], None]
    warns: bool = False
    laptop: str = ""
    first: bool = True


FAULTS: list[ShapeFault] = []


Inject = Callable[[TwoClouds], None]


def shape_fault(
    code: str, *nodes: str, warns: bool = False, laptop: str | None = None, first: bool = True
) -> Callable[[Inject], Inject]:
    """Registers a fault under the name of its function."""

    def register(inject: Inject) -> Inject:
        name = inject.__name__.replace("_", "-")
        FAULTS.append(ShapeFault(name, code, nodes, inject, warns, code if laptop is None else laptop, first))
        return inject

    return register


def crashing(pod: Any) -> Any:
    from kedoctor.checks.parsers.kubernetes.workloads import Waiting  # noqa: PLC0415  only once the checks are loaded

    first = pod.status.container_statuses[0]
    state = type(first.state)(
        waiting=Waiting(reason="CrashLoopBackOff", message="back-off 5m0s restarting failed container")
    )
    status = replace(
        pod.status,
        container_statuses=(replace(first, ready=False, state=state, restart_count=7),),
        conditions=tuple(
            replace(one, status="False") if one.type in ("Ready", "ContainersReady") else one
            for one in pod.status.conditions
        ),
    )
    return replace(pod, status=status)


@shape_fault("KE105", "edge2")
def second_cloudcore_crashes(site: TwoClouds) -> None:
    """The second cloudcore crashes; edge2 dials it and no other."""
    site.change("Pod", SECOND, crashing)
    site.change(
        "Deployment", "cloudcore", lambda one: replace(one, status=replace(one.status, ready_replicas=1))
    )
    site.second_down = "it crashes"
    site.change("Node", "edge2", silent)


@shape_fault("KE105", warns=True)
def second_cloudcore_crashes_and_edge_moved(site: TwoClouds) -> None:
    """The second cloudcore crashes; behind a virtual address edge2 went over to the first."""
    second_cloudcore_crashes(site)
    site.edits["Node"].pop()
    site.move_edge2()
    site.node_on("edge2", NODE_PORT, CLOUD)


@shape_fault("KE304", "edge2", laptop="KE513")
def rule_to_the_other_cloudcore(site: TwoClouds) -> None:
    """A hand-made rule leads the port of the second cloudcore to the first, which has no session of edge2."""
    own = f"-A OUTPUT -p tcp -m tcp --dport {OTHER_PORT} -j DNAT --to-destination {CLOUD}:10003\n"
    site.legacy = site.legacy.replace(JUMP, own + JUMP)


@shape_fault("KE302", "edge2")
def record_lacks_the_second(site: TwoClouds) -> None:
    """Somebody took the second cloudcore out of the record; each manager deleted its rule."""
    site.record = {CLOUD: NODE_PORT}
    site.legacy = site.legacy.replace(SECOND_RULE, "")
    site.legacy2 = site.legacy2.replace(SECOND_RULE, "")


@shape_fault("KE303", "edge2", laptop="KE513")
def rule_of_the_second_missing(site: TwoClouds) -> None:
    """The rule for the second cloudcore's port is not on the first host."""
    site.legacy = site.legacy.replace(SECOND_RULE, "")


@shape_fault("KE301", "edge2", laptop="KE513")
def session_at_the_other(site: TwoClouds) -> None:
    """The tunnel of edge2 is with the first cloudcore, its Node has the port of the second."""
    site.move_edge2()


@shape_fault("KE105", "edge2")
def second_host_down(site: TwoClouds) -> None:
    """The second host is off: its Node is not ready, its pods are as they were last seen."""
    site.second_down = "its host is off"
    site.cloud2.sockets = []
    site.change("Node", "cloud2", silent)
    site.change("Node", "edge2", silent)
    site.change("Pod", SECOND, _unready)
    site.change("Pod", MANAGER2, _unready)


def _unready(pod: Any) -> Any:
    conditions = (
        replace(one, status="False") if one.type == "Ready" else one for one in pod.status.conditions
    )
    return replace(pod, status=replace(pod.status, conditions=tuple(conditions)))


@shape_fault("KE302", warns=True)
def dead_third_on_record(site: TwoClouds) -> None:
    """A cloudcore that is gone is still on record; no edge has its port."""
    site.record = {**site.record, "10.99.0.9": 10355}
    rule = RULE.format(port=10355, address="10.99.0.9")
    site.legacy = site.legacy.replace(SECOND_RULE, SECOND_RULE + rule)
    site.legacy2 = site.legacy


@shape_fault("KE307")
def manager_missing_on_the_second(site: TwoClouds) -> None:
    """iptables-manager is kept off the second API-server host, whose rules are gone."""
    site.change("Pod", MANAGER2, None)
    site.legacy2 = ""


@shape_fault("KE107")
def written_by_cloudcore_on_one_host(site: TwoClouds) -> None:
    """Mode internal with one cloudcore: nobody writes rules on the second API-server host."""
    site.cloudcore("modules.iptablesManager.mode", "internal")
    for name in ("cloud-iptables-manager", MANAGER2):
        site.change("Pod", name, None)
    site.change("DaemonSet", "cloud-iptables-manager", None)
    site.change("Pod", SECOND, None)
    site.change("Deployment", "cloudcore", lambda one: replace(one, spec=replace(one.spec, replicas=1)))
    site.second_down = "it is not wanted"
    site.record = {CLOUD: NODE_PORT}
    site.legacy = site.legacy.replace(SECOND_RULE, "")
    site.legacy2 = ""
    site.move_edge2()
    site.node_on("edge2", NODE_PORT, CLOUD)


@shape_fault("KE303", "edge2", laptop="", first=False)
def rule_missing_on_the_second_host(site: TwoClouds) -> None:
    """The second API-server host lacks the rule of its own cloudcore; the manager there says nothing of it."""
    site.legacy2 = site.legacy2.replace(SECOND_RULE, "")
