"""The Helm release that ``keadm init`` makes, as its Secrets tell of it (facts.md §6.1).

keadm refuses wherever a release of that name is on record, whatever became of it; one that it was killed in the
middle of stays ``pending-install``, one whose pods were late ``failed``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kedoctor.api import Cluster, Text, fact, require
from kedoctor.checks.parsers.kubernetes import Secret

__all__ = ["KeadmRelease", "ReleaseState"]

_SELECTOR = "owner=helm,name=cloudcore"


class ReleaseState(StrEnum):
    """What is on record."""

    ABSENT = "absent"
    DEPLOYED = "deployed"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class KeadmRelease:
    """The newest release on record; ``status`` in Helm's word, ``secrets`` the names of its records."""

    state: ReleaseState
    status: str = ""
    secrets: tuple[str, ...] = ()

    @property
    def told(self) -> Text:
        """How it was installed, as a clause."""
        if self.state is ReleaseState.ABSENT:
            return Text("by somebody else than keadm", zh="并非由 keadm 安装")
        if self.state is ReleaseState.DEPLOYED:
            return Text("by keadm", zh="由 keadm 安装")
        return Text(
            f"by a keadm that did not see its end: Helm calls the release {self.status}",
            zh=f"由未执行完的 keadm 安装：Helm 中该 release 的状态为 {self.status}",
        )


@fact
def keadm_release(cluster: Cluster) -> KeadmRelease:
    """By the labels of Helm's Secrets; what is in them is not looked at."""
    found = require(cluster.list(Secret, namespace="kubeedge", label_selector=_SELECTOR))
    if not found:
        return KeadmRelease(ReleaseState.ABSENT)
    newest = max(found, key=lambda one: _number(one.metadata.labels.get("version", "")))
    status = newest.metadata.labels.get("status", "")
    state = ReleaseState.DEPLOYED if status == "deployed" else ReleaseState.UNFINISHED
    return KeadmRelease(state, status, tuple(one.metadata.name for one in found))


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
