"""``kedoctor run --fix`` on a cloud host that is a namespace: hand-made rules go, everybody else's stay to the byte."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dnat_site import CLOUD, CLUSTER_IP, PORT, Site, opened
from netns import BACKENDS, Backend, missing

_MISSING = missing() or missing("nft", "iptables-nft-save", "iptables-legacy-save")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

CODES = ("KE303", "KE304", "KE305", "KE306", "KE309")
_COUNTERS = re.compile(r"^#.*\n|\[\d+:\d+\]", re.MULTILINE)
Ran = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from opened(tmp_path_factory.mktemp("fix-dnat"))


@pytest.fixture
def site(module_site: Site, tmp_path: Path) -> Iterator[Site]:
    module_site.cloud.env["KEDOCTOR_STATE_DIR"] = str(tmp_path / "state")
    module_site.cloud.env["KEDOCTOR_PATIENCE"] = "0.05"
    yield module_site
    module_site.clear()


def kedoctor(site: Site, *words: str) -> Ran:
    argv = [sys.executable, "-m", "kedoctor", *words, "--kubeconfig", str(site.kubeconfig)]
    ran = site.cloud.run(argv, check=False, timeout=90)
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran


def fix(site: Site, *words: str) -> tuple[Ran, dict[str, Any]]:
    only = [word for code in CODES for word in ("--only", code)]
    ran = kedoctor(site, "run", "--lang", "en", "--format", "json", *only, "--fix", *words)
    return ran, json.loads(ran.stdout)


def rules(site: Site, backend: Backend) -> str:
    return _COUNTERS.sub("", site.cloud.save(backend))


def everything(site: Site) -> dict[str, str]:
    return {backend: rules(site, backend) for backend in BACKENDS}


def states(report: dict[str, Any], code: str) -> set[str]:
    return {verdict["status"] for verdict in report["verdicts"] if verdict["code"] == code}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rule_to_a_cluster_ip_is_taken_out_and_put_back(site: Site, backend: Backend) -> None:
    site.rule(backend, f"{CLOUD}:22", port=8080)  # somebody's own, and none of ours
    site.rule(backend, f"{CLUSTER_IP}:10003")
    site.manager(backend, PORT)
    before = everything(site)
    _, dry = fix(site, "--dry-run")
    assert everything(site) == before
    assert [one["result"] for one in dry["changes"]] == ["planned"]
    ran, report = fix(site, "--yes")
    assert [(one["code"], one["result"]) for one in report["changes"]] == [("KE304", "fixed")], ran.stderr
    assert report["changes"][0]["diffs"] == dry["changes"][0]["diffs"]
    assert states(report, "KE304") == states(report, "KE309") == {"pass"}
    gone = set(before[backend].splitlines()) - set(rules(site, backend).splitlines())
    assert len(gone) == 1
    assert CLUSTER_IP in gone.pop()
    _, again = fix(site, "--yes")
    assert again["changes"] == []
    back = kedoctor(site, "rollback")
    assert back.returncode == 0, back.stderr
    assert everything(site) == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_leftovers_and_copies_go_together(site: Site, backend: Backend) -> None:
    site.manager(backend, PORT)
    for port in (10350, PORT, PORT):
        site.rule(backend, port=port)
    before = everything(site)
    _, report = fix(site, "--yes")
    assert {(one["code"], one["result"]) for one in report["changes"]} == {("KE305", "fixed")}
    left = [line for line in rules(site, backend).splitlines() if "DNAT" in line]
    assert len(left) == 1
    assert "-A TUNNEL-PORT" in left[0]
    assert kedoctor(site, "rollback").returncode == 0
    assert everything(site) == before


def test_what_somebody_put_back_meanwhile_is_left(site: Site) -> None:
    site.rule("nft", f"{CLUSTER_IP}:10003")
    site.manager("nft", PORT)
    fix(site, "--yes")
    site.rule("nft", f"{CLUSTER_IP}:10003")  # a script of the operator's ran again
    theirs = everything(site)
    back = kedoctor(site, "rollback")
    assert everything(site) == theirs
    assert back.returncode == 0, back.stderr  # it is there again, which is all that was to be had
