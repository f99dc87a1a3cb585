"""kedoctor run against the lab's site by a person with a kubeconfig, and what it said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apiserver import Object
from apiserver.fixtures import TOKEN, certificates
from control_plane import ControlPlane, control_plane

CM = "/api/v1/namespaces/kubeedge/configmaps/cloudcore"
POD = "/api/v1/namespaces/kubeedge/pods/cloudcore-979b69468-s2tkf"
WRITE = rf"PATCH {CM}\?fieldManager=kedoctor&timeout"  # and not its dry run
FIX = ("--fix", "--yes", "--allow", "restarts-cloudcore")
# The checks of the cloud side that need nothing but the API; whatever else runs on this machine is not looked at.
CODES = (
    101,
    102,
    103,
    104,
    105,
    107,
    108,
    301,
    302,
    307,
    406,
    408,
    409,
    601,
    602,
    603,
    604,
    605,
    606,
    702,
    704,
)


class Site:
    """The cluster, and kedoctor run against it by a person with a kubeconfig."""

    def __init__(self, cluster: ControlPlane, home: Path) -> None:
        self.cluster = cluster
        self.home = home

    def kedoctor(
        self, *words: str, token: str = TOKEN, patience: str = "0.02"
    ) -> subprocess.CompletedProcess[str]:
        config = self.cluster.server.kubeconfig(self.home / f"config-{token}", certificates()[1], token)
        environment = {**os.environ, "KEDOCTOR_PATIENCE": patience}
        argv = [sys.executable, "-m", "kedoctor", *words, "--kubeconfig", str(config)]
        ran = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=90, check=False, cwd=self.home
        )
        assert ran.stdout or words[0] != "run", ran.stderr
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran

    def run(self, *words: str, **how: str) -> subprocess.CompletedProcess[str]:
        only = [word for code in CODES for word in ("--only", f"KE{code}")]
        return self.kedoctor("run", "--lang", "en", "--format", "json", *only, *words, **how)

    def rollback(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.kedoctor("rollback", *words)

    def pods(self) -> set[str]:
        return {
            one["metadata"]["name"]
            for one in self.cluster.objects("", "pods")
            if one["metadata"]["labels"].get("kubeedge") == "cloudcore"
        }


@contextmanager
def site(
    home: Path,
    *,
    stream: bool = True,
    change: Callable[[list[Object]], None] | None = None,
    roles: Sequence[Object] = (),
) -> Iterator[Site]:
    with control_plane(stream=stream, change=change, roles=roles) as cluster:
        yield Site(cluster, home)


def said(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def causes(ran: subprocess.CompletedProcess[str]) -> list[str]:
    return [cause["code"] for cause in said(ran)["causes"]]


def changes(ran: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    return [(change["code"], change["result"]) for change in said(ran)["changes"]]


def sentences(ran: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in ran.stderr.splitlines() if line and not line.startswith(" ")]
