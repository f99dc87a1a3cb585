"""Bundles of both ends, carried together: the verdicts that neither end can give alone.

``kedoctor run --evidence cloud.tgz --evidence edge-1.tgz --evidence edge-2.tgz``: the bundles are written by the real collect code
from a recorded site with a fault in it (:mod:`faulty_site`); edge2 is edge1 under another name and address.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fault import Inject
from faults import named
from faults_edge import CERTIFICATE, KEY, edge_certificate
from faulty_machine import OTHER, plugins
from faulty_site import EDGE, NOW, FaultySite
from faulty_source import FaultySource

from kedoctor.base.records import Record, replace
from kedoctor.evidence.collect import collect
from kedoctor.judge.fact_evaluation import HostView, SiteView, contexts
from kedoctor.judge.registry import Scope
from kedoctor.model.declarations import Side
from kedoctor.model.findings import Status
from kedoctor.model.observations.request import Request, Source
from kedoctor.model.ports import Host
from kedoctor.model.report import Report, Verdict
from kedoctor.observe.memo import MemoSource
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site


def renamed(value: Any, pairs: Sequence[tuple[str, str]]) -> Any:
    """A request or answer with names in it changed."""
    if isinstance(value, str):
        for old, new in pairs:
            value = value.replace(old, new)
        return value
    if isinstance(value, bytes):
        for old, new in pairs:
            value = value.replace(old.encode(), new.encode())
        return value
    if isinstance(value, tuple):
        return tuple(renamed(one, pairs) for one in value)
    if isinstance(value, Record):
        return replace(
            value, **{name: renamed(getattr(value, name), pairs) for name in value.__struct_fields__}
        )
    return value


class SecondEdge:
    """edge2: what edge1 answers, with its name, its address and a certificate of its own."""

    def __init__(self, site: FaultySite) -> None:
        healthy = FaultySite()
        self._source = FaultySource(healthy, healthy.edge)
        healthy.edge.files[CERTIFICATE] = edge_certificate(site, node="edge2", key="edge2")
        healthy.edge.files[KEY] = site.pki.edge_key("edge2")

    def observe(self, request: Request) -> Any:
        """The answer of edge1 to the question it would have been asked."""
        answer = self._source.observe(renamed(request, [("edge2", "edge1"), (OTHER, EDGE)]))
        path = getattr(request, "path", "")
        return answer if path in (CERTIFICATE, KEY) else renamed(answer, [("edge1", "edge2"), (EDGE, OTHER)])


def carried(folder: Path, *injections: Inject) -> dict[str, Path]:
    """The bundles of the three hosts of a site with these faults."""
    site = FaultySite()
    for inject in injections:
        inject(site)
    site.derive()
    sources: dict[str, tuple[Source, Side]] = {
        "cloud": (FaultySource(site, site.cloud), Side.CLOUD),
        "edge1": (FaultySource(site, site.edge), Side.EDGE),
        "edge2": (SecondEdge(site), Side.EDGE),
    }
    return {name: _bundle(folder / f"{name}.tgz", name, *source) for name, source in sources.items()}


def _bundle(path: Path, name: str, source: Source, side: Side) -> Path:
    def look(memo: MemoSource) -> Sequence[str]:
        plugins().sides(Host(memo))
        view = HostView(name, frozenset({side}), memo)
        whole, hosts = contexts(plugins().registry, SiteView((view,), memo))
        for wanted, node in plugins().registry.facts.items():
            of_site = () if node.scope is Scope.HOST else (whole,)
            for context in (*of_site, *hosts.values()):
                context.fact(wanted)
        return [side.value]

    collect(look, source, path, plugins().evidence(), host=name, salt=b"s" * 32, created=NOW)
    return path


def joined(*paths: Path) -> Report:
    return diagnose_site(plugins(), bundled_site(list(paths)), RunRequest())


def of(report: Report, code: str, node: str = "") -> list[Verdict]:
    return [one for one in report.verdicts if one.code == code and (not node or one.node == node)]


def statuses(report: Report, code: str, node: str = "edge1") -> set[Status]:
    return {one.status for one in of(report, code, node)}


def test_three_bundles_of_a_healthy_site_are_one_clean_site(tmp_path: Path) -> None:
    bundles = carried(tmp_path)
    report = joined(*bundles.values())
    assert report.causes == ()
    assert [one.summary for one in report.verdicts if one.status is Status.CRASHED] == []
    assert {host.name for host in report.site.hosts} == {"cloud", "edge1", "edge2"}
    for code in ("KE203", "KE212", "KE404", "KE408", "KE410", "KE503", "KE508"):
        for node in ("edge1", "edge2"):
            if of(report, code, node):
                assert statuses(report, code, node) == {Status.PASS}, (code, node)
    assert {one.status for one in of(report, "KE803")} == {Status.PASS}


def test_the_command_joins_them(tmp_path: Path) -> None:
    bundles = carried(tmp_path, named("node-ip-differs").inject)
    given = [word for path in bundles.values() for word in ("--evidence", str(path))]
    ran = subprocess.run(
        [sys.executable, "-m", "kedoctor", "run", *given, "--format", "json"],
        capture_output=True,
        check=False,
        timeout=120,
    )
    document = json.loads(ran.stdout)
    assert ran.returncode == 1, ran.stderr
    assert [cause["code"] for cause in document["causes"]] == ["KE212"]
    assert document["causes"][0]["nodes"] == ["edge1"]


def dials_another_address(site: FaultySite) -> None:
    """edge1 dials cloudcore by an address that is translated on the way, and that its certificate lacks."""
    site.set("modules.edgeHub.websocket.server", "203.0.113.9:10000")
    site.set("modules.edgeHub.httpServer", "https://203.0.113.9:10002")
    site.set("modules.edgeStream.server", "203.0.113.9:10004")
    site.hub_down.add("the certificate does not name the address")


def runs_an_older_version(site: FaultySite) -> None:
    """edgecore of edge1 was put back to v1.21 and cannot report: its Node still says v1.22."""
    site.journal = site.journal.replace("Version: v1.22.0", "Version: v1.21.1")
    site.hub_down.add("it does not get on")


def other_ca_and_nobody_serves_one(site: FaultySite) -> None:
    """rootCA.crt is another, and cloudcore, which would show its own at 10002, is down."""
    named("other-ca").inject(site)
    site.cloudcore_down.add("it is down")


def clock_behind(site: FaultySite) -> None:
    """edge1 is two hours behind."""
    site.edge.clock_ahead = timedelta(hours=-2)


@pytest.mark.parametrize(
    ("inject", "code", "status", "alone"),
    [
        (named("node-ip-differs").inject, "KE212", Status.FAIL, (Status.SKIP, Status.SKIP)),
        (other_ca_and_nobody_serves_one, "KE404", Status.FAIL, (Status.SKIP, Status.UNKNOWN)),
        (dials_another_address, "KE408", Status.FAIL, (Status.PASS, Status.UNKNOWN)),
        (clock_behind, "KE410", Status.FAIL, (Status.PASS, Status.FAIL)),
        (named("tunnel-half-open").inject, "KE503", Status.FAIL, (Status.SKIP, Status.PASS)),
        (runs_an_older_version, "KE803", Status.WARN, (Status.PASS, Status.UNKNOWN)),
    ],
    ids=["KE212", "KE404", "KE408", "KE410", "session and connection", "versions"],
)
def test_both_ends_see_what_one_does_not(
    inject: Inject, code: str, status: Status, alone: tuple[Status, Status], tmp_path: Path
) -> None:
    bundles = carried(tmp_path, inject)
    both = joined(*bundles.values())
    assert statuses(both, code) == {status}, [one.summary for one in of(both, code)]
    assert status not in statuses(both, code, "edge2")
    for name, expected in zip(("cloud", "edge1"), alone, strict=True):
        report = joined(bundles[name])
        found = {one.status for one in of(report, code)} - {Status.SKIP} or {Status.SKIP}
        assert found == {expected}, (name, [one.summary for one in of(report, code)])


def test_one_edge_of_two_is_told_apart_in_the_matrix(tmp_path: Path) -> None:
    bundles = carried(tmp_path, named("edgestream-off").inject)
    report = joined(*bundles.values())
    assert [(cause.code, cause.nodes) for cause in report.causes] == [("KE202", ("edge1",))]
    rows = {row.edge: {cell.name: cell.state for cell in row.capabilities} for row in report.matrix}
    assert rows["edge1"]["logs"] == "broken"
    assert "broken" not in rows["edge2"].values()
    assert rows["edge1"]["ready"] != "broken"
