"""What ``kedoctor bundle`` knows of KubeEdge: the contents of its releases, and how an offline bundle is judged."""

from __future__ import annotations

from kedoctor.api import OfflineKnowledge
from kedoctor.checks.offline.ci_job import job
from kedoctor.checks.offline.contents import manifests, plain_files
from kedoctor.checks.offline.judge import judge
from kedoctor.checks.parsers.release_contents import known_releases, newest, version_set

__all__ = ["OFFLINE"]

OFFLINE = OfflineKnowledge(
    version_set=version_set,
    newest=newest,
    releases=known_releases,
    judge=judge,
    job=job,
    manifests=manifests,
    plain_files=plain_files,
)
