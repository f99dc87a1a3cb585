"""KE974 to KE976 and KE978: keadm, what an earlier join left, the join, and keys it did not set (facts.md §6.1)."""

from __future__ import annotations

from kedoctor.api import (
    ControlUnit,
    MoveAside,
    NoPlan,
    Plan,
    Risk,
    RunProgram,
    Secret,
    Text,
    Unit,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.edge.edgecore import CONFIG_PATH, UNIT_NAME, EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.repair import BOOTSTRAP_PATH
from kedoctor.checks.install.edge.facts_request import HOME, TOKEN, EdgeTarget, InstallBundle, Joined
from kedoctor.checks.install.edge.facts_runtime import RuntimeFile
from kedoctor.checks.install.edge.join import wanted_settings
from kedoctor.checks.install.facts_keadm import KEADM
from kedoctor.checks.install.steps import copy_of, not_in_bundle, step_plan
from kedoctor.checks.plans.edgecore import edgecore_plan, no_plan, set_keys

__all__ = ["edge_joined", "edge_settings", "join_arguments", "keadm_installed", "left_behind"]

_WAITS = 300
"""Seconds that keadm itself waits for the certificate (facts.md §6.1)."""

_LEAVES = (CONFIG_PATH, f"/etc/systemd/system/{UNIT_NAME}", "/usr/local/bin/edgecore")
_BY_HAND = Text(
    "it has registered this node and written /etc/kubeedge, edgecore.service and /usr/local/bin/edgecore; `sudo keadm reset edge` removes them here, `kubectl delete node` on the cloud removes the node",
    zh="它已注册本节点并写入 /etc/kubeedge、edgecore.service 和 /usr/local/bin/edgecore；在本机执行 `sudo keadm reset edge` 可移除，在云端执行 `kubectl delete node` 可删除节点",
)


@remedy("KE974")
def keadm_installed(verdict: Verdict, found: InstallBundle) -> Plan | NoPlan:
    """The one of the release whose images are imported; an older one is kept beside it."""
    file = found.program("keadm")
    if file is None:
        return not_in_bundle(found, "keadm")
    title = Text(
        f"put keadm {found.versions.release} at {KEADM}", zh=f"将 keadm {found.versions.release} 放到 {KEADM}"
    )
    return step_plan(verdict, title, copy_of(found.bundle, file, KEADM))


def join_arguments(target: EdgeTarget, runtime: RuntimeFile, release: str) -> tuple[str, ...]:
    """What keadm is told; the release is pinned, because keadm looks for the newest one in the Internet otherwise.

    Numbers are not among the ``--set``: keadm v1.22.0 does not take them everywhere (facts.md §6.1), and the timeouts
    that logs and exec want are its defaults. No ``--token``: every user could read it in the list of processes.
    """
    return (
        "join",
        f"--cloudcore-ipport={target.hub}",
        f"--certport={target.certificates.port}",
        f"--edgenode-name={target.node}",
        f"--kubeedge-version={release}",
        f"--remote-runtime-endpoint={runtime.endpoint}",
        f"--cgroupdriver={runtime.driver}",
        "--set=modules.edgeStream.enable=true",
        f"--set=modules.edgeStream.server={target.tunnel}",
    )


@remedy("KE978")
def left_behind(verdict: Verdict, joined: Joined, unit: EdgecoreUnit) -> Plan:
    """Aside, not away: whoever wants to know what happened finds it there. An edgecore that it started is stopped."""
    started = isinstance(unit.unit, Unit) and unit.unit.active_state not in ("inactive", "failed")
    stop = (ControlUnit(UNIT_NAME, "stop"),) if started else ()
    return step_plan(
        verdict,
        Text(f"move {HOME} to {joined.aside}", zh=f"将 {HOME} 移到 {joined.aside}"),
        *stop,
        MoveAside(HOME, joined.aside),
        prediction=Text("No edge has ever come of it.", zh="它从未成为可用的边缘节点。"),
        risk=Risk.RESTARTS_EDGECORE,
    )


@remedy("KE975")
def edge_joined(
    verdict: Verdict, target: EdgeTarget, joined: Joined, runtime: RuntimeFile, found: InstallBundle
) -> Plan | NoPlan:
    """Keadm joins, in a directory that is empty or absent.

    The token goes where edgecore reads it first (facts.md §2.1), once keadm has written the configuration and just
    before it starts edgecore. ``ca`` and ``certs`` are never made beforehand: edgecore would ask for nothing then.
    """
    if joined.stranger or joined.has_certificate:
        return no_plan(
            "this looks like another installation, or a damaged one; `sudo keadm reset edge` removes it",
            "看起来是其他安装或已损坏的安装；`sudo keadm reset edge` 可将其移除",
        )
    if joined.entries:
        return no_plan(
            f"what lies in {HOME} must be away first, because keadm wants it empty",
            f"须先移走 {HOME} 中的内容，因为 keadm 要求其为空",
        )
    join = RunProgram(
        KEADM,
        join_arguments(target, runtime, found.versions.release),
        leaves=_LEAVES,
        by_hand=_BY_HAND,
        seconds=_WAITS + 60.0,
        secrets=(Secret(TOKEN, path=BOOTSTRAP_PATH, once=CONFIG_PATH),),
    )
    return step_plan(
        verdict,
        Text(
            f"join {target.hub} as {target.node} with keadm {found.versions.release}",
            zh=f"用 keadm {found.versions.release} 以 {target.node} 加入 {target.hub}",
        ),
        join,
        prediction=Text(
            "From here on keadm has written to this host and to the cloud: kedoctor cannot roll that back.",
            zh="此后 keadm 已对本机和云端做出更改，kedoctor 无法撤销。",
        ),
        risk=Risk.RESTARTS_EDGECORE,
        settle=30.0,
    )


@remedy("KE976")
def edge_settings(verdict: Verdict, target: EdgeTarget, runtime: RuntimeFile, config: EdgecoreConfig) -> Plan:
    """Only the keys that differ; comments, order and everything else stay."""
    wanted = wanted_settings(target, runtime)
    changes = {path: value for path, value in wanted.items() if config.value(path) != value}
    return edgecore_plan(
        verdict,
        Text(f"set {len(changes)} keys of {config.path}", zh=f"在 {config.path} 中设置 {len(changes)} 个键"),
        Text("", zh=""),
        set_keys(config, changes),
    )
