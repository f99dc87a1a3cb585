"""What the API alone tells of every recorded site, without a look at any host."""

from __future__ import annotations

from functools import cache

import pytest
from recorded import RecordedCase, cases, recordings

from kedoctor.api import Side, Status
from kedoctor.judge.fact_evaluation import SiteView
from kedoctor.judge.scheduler import run_checks
from kedoctor.plugins import load_plugins
from kedoctor.report.diagnosis import Diagnosis, diagnose

OURS = (
    *("KE101", "KE102", "KE103", "KE104", "KE105", "KE107", "KE108"),
    *("KE301", "KE302", "KE307"),
    *("KE601", "KE602", "KE603", "KE604", "KE605", "KE606"),
    *("KE702", "KE704", "KE921"),
)
# Without a host in view nobody sees who breaks the diversion; that no manager works there is what remains.
NO_MANAGER = {"KE307": "fail", "KE606": "fail"}
EXPECTED = {
    "a-edgestream-server-127.0.0.1": {"KE606": "fail"},
    "a2-edgestream-server-127.0.0.1-after-cloudcore-restart": {"KE301": "fail", "KE606": "fail"},
    "b-edgestream-disabled": {"KE606": "fail"},
    "b2-edgestream-disabled-after-cloudcore-restart": {"KE301": "fail", "KE606": "fail"},
    "c-cloudstream-disabled": {"KE101": "fail", "KE301": "fail", "KE606": "fail"},
    "d-no-dnat-rule": NO_MANAGER,
    "d2-no-dnat-rule-edge-unreachable": NO_MANAGER,
    "d3-dnat-rule-for-10350-only": NO_MANAGER,
    "e-wrong-dnat-target-10.99.0.1_10000": NO_MANAGER,
    "e-wrong-dnat-target-10.99.0.1_10004": NO_MANAGER,
    "e-wrong-dnat-target-10.99.0.1_9999": NO_MANAGER,
    "e-wrong-dnat-target-10.99.0.77_10003": NO_MANAGER,
    "f1-edge-cert-expired": {"KE606": "fail", "KE702": "fail"},
    "f2-stream-cert-expired": {},
    "fresh-join-edgestream-off": {"KE301": "fail", "KE601": "fail"},
    "g1-edge-rootca-mismatch": {"KE702": "fail"},
    "h1-10004-dropped-established": {"KE606": "fail"},
    "h2-10004-dropped-new": {"KE606": "fail"},
    "healthy": {},
    "healthy-manual-dnat-rule": {"KE307": "warn"},
    "healthy-two-edges": {},
    "i1-dnat-to-clusterip-real-kube-proxy": NO_MANAGER,
    "i3-dnat-to-clusterip-handmade": NO_MANAGER,
    "j-edgecore-stopped": {"KE606": "fail", "KE702": "fail"},
    "l1-edgecore-yaml-syntax-error": {"KE606": "fail"},
    "l2-edgecore-yaml-unknown-field": {},
    "m1-metrics-server-down": {"KE602": "fail", "KE605": "fail"},
}
FIRST_CAUSE = {
    "a2-edgestream-server-127.0.0.1-after-cloudcore-restart": ("KE301", ("edge1",)),
    "c-cloudstream-disabled": ("KE101", ()),
    "d-no-dnat-rule": ("KE307", ()),
    "f1-edge-cert-expired": ("KE702", ("edge1",)),
    "g1-edge-rootca-mismatch": ("KE702", ("edge1",)),
    "j-edgecore-stopped": ("KE702", ("edge1",)),
    "m1-metrics-server-down": ("KE602", ()),
}

pytestmark = pytest.mark.skipif(recordings() is None, reason="the recordings are not here")


@cache
def diagnosis(case: str) -> Diagnosis:
    registry = load_plugins().registry
    checks = [node for node in registry.of_side(Side.SITE) if node.check.code in OURS]
    outcome = run_checks(registry, SiteView((), RecordedCase(case).source("cloud")), checks)
    known = {code: node.check for code, node in registry.checks.items()}
    return diagnose(outcome.verdicts, known, None, ())


def test_every_recorded_cluster_is_expected_to_look_like_something() -> None:
    with_cluster = {case for case in cases() if RecordedCase(case).has("nodes.json")}
    assert with_cluster == set(EXPECTED)


@pytest.mark.parametrize("case", EXPECTED)
def test_what_is_wrong_and_nothing_else(case: str) -> None:
    bad = (Status.FAIL, Status.WARN, Status.CRASHED, Status.BLOCKED)
    found = {
        one.code: one.status.value
        for one in diagnosis(case).verdicts
        if one.status in bad and one.code in OURS
    }
    assert found == EXPECTED[case]


@pytest.mark.parametrize("case", FIRST_CAUSE)
def test_the_first_cause(case: str) -> None:
    causes = diagnosis(case).causes
    assert (causes[0].code, causes[0].nodes) == FIRST_CAUSE[case]
    assert len(causes) == 1


def test_a_node_that_is_gone_loses_its_streams_unless_its_tunnel_still_answers() -> None:
    def broken(case: str) -> tuple[str, ...]:
        return next(one.capabilities for one in diagnosis(case).verdicts if one.code == "KE702")

    assert "logs" in broken("j-edgecore-stopped")
    assert broken("g1-edge-rootca-mismatch") == ("ready",)


@pytest.mark.parametrize("case", ["healthy", "healthy-two-edges", "healthy-manual-dnat-rule"])
def test_a_healthy_site_proves_what_it_can(case: str) -> None:
    passed = {one.code for one in diagnosis(case).verdicts if one.status is Status.PASS}
    assert {
        "KE101",
        "KE102",
        "KE104",
        "KE105",
        "KE301",
        "KE302",
        "KE603",
        "KE604",
        "KE605",
        "KE606",
        "KE702",
    } <= passed
