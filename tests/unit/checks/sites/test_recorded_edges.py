"""The recorded sites as an edge host alone sees them: a bundle of the edge, no cloud, no kubeconfig."""

from __future__ import annotations

from pathlib import Path

import pytest

from kedoctor.model.report import Report
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site

FIXTURES = Path(__file__).parents[3] / "fixtures"

CAUSES = {
    "a-edgestream-server-127.0.0.1": ["KE203"],
    "a2-edgestream-server-127.0.0.1-after-cloudcore-restart": ["KE203"],
    "b-edgestream-disabled": ["KE202"],
    "b2-edgestream-disabled-after-cloudcore-restart": ["KE202"],
    "c-cloudstream-disabled": ["KE505"],  # all that an edge can see of it: 10004 is closed
    "f1-edge-cert-expired": ["KE402"],
    "fresh-join-edgestream-off": ["KE202"],
    "g1-edge-rootca-mismatch": ["KE404"],
    "h1-10004-dropped-established": ["KE505"],
    "h2-10004-dropped-new": ["KE505"],
    "j-edgecore-stopped": ["KE701"],
    "k-wrong-token-bad-format": ["KE409"],
    "k-wrong-token-bad-signature": ["KE409"],
    "k-wrong-token-empty": ["KE409"],
    "k-wrong-token-expired": ["KE409"],
    "k-wrong-token-wrong-hash": ["KE409"],
    "l1-edgecore-yaml-syntax-error": ["KE201"],
    "l2-edgecore-yaml-unknown-field": ["KE207"],
}
"""What is wrong on the edge itself; on every other recorded site nothing is."""

EDGES = sorted(path for path in FIXTURES.glob("*/edge*.tgz"))


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


def look(plugins: Plugins, path: Path) -> Report:
    return diagnose_site(plugins, bundled_site([path]), RunRequest())


@pytest.mark.parametrize("path", EDGES, ids=lambda path: path.parent.name)
def test_the_edge_alone_finds_what_is_wrong_with_it(path: Path, plugins: Plugins) -> None:
    report = look(plugins, path)
    assert [cause.code for cause in report.causes] == CAUSES.get(path.parent.name, [])
    assert not [verdict.summary for verdict in report.verdicts if verdict.status.value == "crashed"]


@pytest.mark.parametrize("path", EDGES, ids=lambda path: path.parent.name)
def test_every_verdict_about_an_edge_names_its_node(path: Path, plugins: Plugins) -> None:
    told = [
        one
        for one in look(plugins, path).verdicts
        if one.side == "edge" and one.status.value in ("pass", "warn", "fail")
    ]
    assert {one.node for one in told} <= {path.stem}
    assert all(one.zh.summary and one.zh.title for one in told)
