from __future__ import annotations

from siteworld import FakeCluster, both_languages

from kedoctor.api import Cluster, Reason, Status, Unavailable
from kedoctor.checks.distribution.operator_access import operator_rbac
from kedoctor.checks.facts.cluster.access import NEEDS, OperatorAccess, operator_access


def test_everything_allowed() -> None:
    assert operator_rbac(operator_access(Cluster(FakeCluster()))).status is Status.PASS


def test_a_denied_right_is_advice_about_this_user() -> None:
    source = FakeCluster()
    source.denied = {"create pods"}
    found = operator_rbac(operator_access(Cluster(source)))
    assert (found.status, found.hop, found.breaks) == (Status.WARN, "", ())
    assert "create pods/exec, create pods/attach" in found.summary.en
    assert "kubectl auth can-i create pods/exec -A" in found.commands
    assert both_languages(found)


def test_no_answer_is_not_a_pass() -> None:
    blind = Unavailable(Reason.UNAUTHORIZED, "access reviews")
    assert operator_rbac(OperatorAccess(tuple((need, blind) for need in NEEDS))).status is Status.UNKNOWN


def test_needs_are_named_as_can_i_takes_them() -> None:
    assert [need.name for need in NEEDS][-2:] == ["get nodes.metrics.k8s.io", "get pods.metrics.k8s.io"]
