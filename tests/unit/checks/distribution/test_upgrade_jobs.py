"""KE943: what has become of NodeUpgradeJobs and ConfigUpdateJobs (facts.md §11.10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from edge_samples import NOW, bilingual, metadata
from siteworld import made

from kedoctor.api import EveryHost, File, Finding, Reason, Status, Unavailable
from kedoctor.checks.distribution.upgrade_jobs import KeadmLog, UpgradeJobs, keadm_log, upgrade_jobs
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.parsers.kubernetes import ConfigUpdateJob, NodeUpgradeJob
from kedoctor.model.observations.files import FileMetadata, ReadFile, StatFile
from kedoctor.model.observations.request import Request
from kedoctor.testing import fact_from

TIME = SiteTime(NOW, "the API server's clock")


def job(
    phase: str, *nodes: dict[str, Any], kind: Any = NodeUpgradeJob, age: timedelta = timedelta(minutes=5)
) -> Any:
    stamp = (NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"phase": phase, "nodeStatus": list(nodes)} if nodes else {"phase": phase}
    return made(kind, metadata={"name": "upgrade-1", "creationTimestamp": stamp}, status=status)


def look(*jobs: Any, logs: dict[str, str] | None = None) -> Sequence[Finding]:
    said: dict[str, Any] = {name: KeadmLog(name, text) for name, text in (logs or {}).items()}
    found = list(upgrade_jobs(UpgradeJobs(jobs), TIME, EveryHost(said)))
    for one in found:
        bilingual(one)
    return found


FAILED = {
    "nodeName": "edge1",
    "phase": "Failure",
    "reason": "failed to pull image kubeedge/installation-package:v1.22.2",
    "actionFlow": [
        {"action": "Check", "status": "True"},
        {"action": "Upgrade", "status": "False", "reason": "exit status 1"},
    ],
}
DONE = {"nodeName": "edge2", "phase": "Successful"}


def test_jobs_that_came_to_their_end_are_right() -> None:
    (found,) = look(job("Completed", DONE), job("Completed", kind=ConfigUpdateJob))
    assert found.status is Status.PASS
    assert look()[0].status is Status.PASS


@pytest.mark.parametrize("kind", [NodeUpgradeJob, ConfigUpdateJob])
def test_a_job_that_failed_names_node_step_and_reason(kind: Any) -> None:
    (found,) = look(job("Failure", DONE, FAILED, kind=kind), logs={"edge1": "Error: no space left on device"})
    assert (found.status, found.breaks) == (Status.WARN, ())
    assert "edge1 (Upgrade): failed to pull image" in found.summary.en
    assert found.subject == f"{kind.__name__.lower()}/upgrade-1"
    assert any("no space left" in one.excerpt for one in found.evidence)


def test_a_node_that_failed_counts_though_the_job_tolerates_it() -> None:
    assert look(job("Completed", DONE, FAILED))[0].status is Status.WARN


@pytest.mark.parametrize(
    ("phase", "minutes", "status"),
    [
        ("InProgress", 5, Status.PASS),
        ("InProgress", 45, Status.WARN),
        ("Init", 45, Status.WARN),
        ("Completed", 999, Status.PASS),
    ],
)
def test_a_job_that_waits_for_long_is_told(phase: str, minutes: int, status: Status) -> None:
    waiting = {"nodeName": "edge3", "phase": "Pending"}
    (found,) = look(job(phase, DONE, waiting, age=timedelta(minutes=minutes)))
    assert found.status is status
    assert ("edge3" in found.summary.en) == (status is Status.WARN)


def test_a_cluster_without_such_jobs_is_older() -> None:
    absent = Unavailable(Reason.ABSENT, "NodeUpgradeJob objects")
    (found,) = upgrade_jobs(absent, TIME, EveryHost({}))
    assert found.status is Status.SKIP


def test_keadms_log_is_read_only_if_it_is_roots_own_file() -> None:
    path, text = "/tmp/keadm.log", b"I1123 begin\nError: failed to back up edgecore.db\nbye\n"

    def there(kind: str = "file", uid: int = 0) -> dict[Request, Any]:
        modified: datetime = NOW
        return {
            StatFile(path): FileMetadata(path, kind, 0o600, uid, 0, 10, modified),
            ReadFile(path, 64 << 10, from_end=True): File(metadata(path), text),
        }

    assert fact_from(keadm_log, there()).failure == "Error: failed to back up edgecore.db"
    assert isinstance(fact_from(keadm_log, there("link")), Unavailable)
    assert isinstance(fact_from(keadm_log, there(uid=1000)), Unavailable)
    assert isinstance(fact_from(keadm_log, {}), Unavailable)
