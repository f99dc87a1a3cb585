"""Which rights questions and repairs need, the smallest roles for them, and what ``kedoctor rbac`` prints."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

import pytest
from commandline import kedoctor
from siteworld import FakeCluster
from toysite import FakeSource

from kedoctor.checks.parsers.kubernetes import ConfigMap, Node, Pod
from kedoctor.judge.fact_evaluation import HostView, SiteView
from kedoctor.judge.registry import facts_in
from kedoctor.judge.selection import Selection
from kedoctor.model.actions.files import WriteFile
from kedoctor.model.actions.objects import ApplyObject, DeleteObject, PatchObject, RestartPods
from kedoctor.model.declarations import RunMode
from kedoctor.model.objects import EXAMPLE
from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog
from kedoctor.model.observations.logs import ReadPodLog
from kedoctor.model.observations.request import Request
from kedoctor.model.plans import Touch
from kedoctor.observe.access_rules import PolicyRule, rights_of_request, rights_of_touch, roles
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.rbac.request_discovery import questions_of, what_facts_ask
from kedoctor.rbac.required_rules import Wanted, needs
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site
from kedoctor.sandbox.apiserver.rbac import read_rule
from kedoctor.sandbox.apiserver.request import Attributes
from kedoctor.yaml.document import load

FIXTURES = Path(__file__).parents[2] / "fixtures"
SITES = sorted(path.name for path in FIXTURES.iterdir() if any(path.glob("*.tgz")))
NAMES = (Node, Pod, ConfigMap)  # declared, so that their names mean something


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


@cache
def _needs(*, repair: bool = False, operator: bool = True) -> dict[PolicyRule, set[str]]:
    return needs(_plugins(), Selection(), Wanted(repair=repair, operator=operator))


# ------------------------------------------------------------------------------------------ rights


@pytest.mark.parametrize(
    ("request_", "right"),
    [
        (ListObjects("Node"), PolicyRule("", "", "nodes", "list")),
        (ListObjects("Pod", "kubeedge", "a=b"), PolicyRule("kubeedge", "", "pods", "list")),
        (ListObjects("ConfigMap", "x", "", "metadata.name=y"), PolicyRule("x", "", "configmaps", "list", "y")),
        (ListObjects("ConfigMap", "x", "", "metadata.name=y,a=b"), PolicyRule("x", "", "configmaps", "list")),
        (ListObjects("Deployment", "x"), PolicyRule("x", "apps", "deployments", "list")),
        (ListObjects("Node", "ignored"), PolicyRule("", "", "nodes", "list")),
        (ReadPodLog("ns", "pod"), PolicyRule("ns", "", "pods/log", "get")),
        (FollowPodLog("ns", "pod"), PolicyRule("ns", "", "pods/log", "get")),
        (GetPath("/api/v1/nodes/cloud"), PolicyRule("", "", "nodes", "get")),
        (GetPath("/api/v1/nodes/e/proxy/stats?x=1"), PolicyRule("", "", "nodes/proxy", "get")),
        (GetPath("/api/v1/namespaces/n/pods/p/log"), PolicyRule("n", "", "pods/log", "get")),
        (GetPath("/apis/metrics.k8s.io/v1beta1/nodes/e"), PolicyRule("", "metrics.k8s.io", "nodes", "get")),
        (ReviewAccess("create", "pods", subresource="exec"), PolicyRule("", "", "pods/exec", "create")),
        (ReviewAccess("get", "nodes", user="u"), PolicyRule("", "authorization.k8s.io", "subjectaccessreviews", "create")),
    ],
)  # fmt: skip
def test_a_question_needs_one_right(request_: Request, right: PolicyRule) -> None:
    assert rights_of_request(request_) == [right]


@pytest.mark.parametrize(
    ("request_", "resource"),
    [(ExecInPod("ns", "pod", ("echo",)), "pods/exec"), (AttachToPod("ns", "pod"), "pods/attach")],
)
def test_a_session_needs_what_opens_it_in_every_version(request_: Request, resource: str) -> None:
    assert rights_of_request(request_) == [PolicyRule("ns", "", resource, verb) for verb in ("create", "get")]


@pytest.mark.parametrize("path", ["/version", "/apis/apps/v1", "/api/v1", "/readyz"])
def test_what_everybody_may_ask_needs_none(path: str) -> None:
    assert rights_of_request(GetPath(path)) == []


def test_a_repair_needs_what_it_takes_to_do_and_to_undo_it() -> None:
    secret = "/api/v1/namespaces/n/secrets/s"
    assert _verbs(Touch("patch", secret)) == {("get", "s"), ("patch", "s")}
    assert _verbs(Touch("replace", secret)) == {("get", "s"), ("patch", "s"), ("delete", "s"), ("create", "")}
    assert _verbs(Touch("restart", "/api/v1/namespaces/n/pods")) == {
        ("list", ""),
        ("get", ""),
        ("delete", ""),
    }
    assert _verbs(Touch("patch", "/api/v1/nodes/*")) == {("get", ""), ("patch", "")}


def test_who_writes_rights_needs_leave_for_it() -> None:
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    assert ("escalate", "r") in _verbs(Touch("patch", f"{rbac}/clusterroles/r"))
    bound = rights_of_touch(Touch("replace", f"{rbac}/clusterrolebindings/b"))
    assert PolicyRule("", "rbac.authorization.k8s.io", "clusterroles", "bind") in bound


def _verbs(touch: Touch) -> set[tuple[str, str]]:
    return {(one.verb, one.name) for one in rights_of_touch(touch)}


def test_a_touch_covers_the_actions_it_is_declared_for() -> None:
    path = "/api/v1/namespaces/n/secrets/s"
    patch, delete, apply = PatchObject(path, "merge", {}), DeleteObject(path), ApplyObject(path, {})
    assert [Touch("patch", path).covers(one) for one in (patch, delete, apply)] == [True, False, False]
    assert all(
        Touch("replace", "/api/v1/namespaces/n/secrets/*").covers(one) for one in (patch, delete, apply)
    )
    assert Touch("restart", "/api/v1/namespaces/n/pods").covers(RestartPods("n", "a=b"))
    assert not Touch("restart", "/api/v1/namespaces/n/pods").covers(RestartPods("m", "a=b"))
    assert not Touch("patch", "*").covers(WriteFile("/etc/x", b""))


# ------------------------------------------------------------------------------------------ roles


def test_a_wider_right_makes_a_narrower_one_needless() -> None:
    found = roles({
        PolicyRule("", "", "pods", "list"): {"A1"},
        PolicyRule("n", "", "pods", "list"): {"A2"},
        PolicyRule("n", "", "configmaps", "list", "x"): {"A3"},
        PolicyRule("n", "", "configmaps", "list", "y"): {"A4"},
        PolicyRule("n", "", "secrets", "list", "x"): {"A5"},
        PolicyRule("n", "", "secrets", "list"): {"A6"},
    })  # fmt: skip
    assert [(one.namespace, one.rules) for one in found] == [
        ("", (({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}, ("A1", "A2")),)),
        (
            "n",
            (
                ({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}, ("A5", "A6")),
                (
                    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"], "resourceNames": ["x", "y"]},
                    ("A3", "A4"),
                ),
            ),
        ),
    ]  # fmt: skip


def _allowed(right: PolicyRule, *, repair: bool = False) -> bool:
    wanted_resource, _, part = right.resource.partition("/")
    wanted = Attributes(right.verb, right.group, wanted_resource, part, right.namespace, right.name)
    return any(
        read_rule(rule, role.namespace).allows(wanted)
        for role in roles(_needs(repair=repair))
        for rule, _ in role.rules
    )


@pytest.mark.parametrize("site", SITES)
def test_the_roles_suffice_for_everything_that_is_asked_on_a_recorded_site(site: str) -> None:
    opened = bundled_site(sorted((FIXTURES / site).glob("*.tgz")))
    diagnose_site(_plugins(), opened, RunRequest())
    asked = {seen.request for memo in opened.memos.values() for seen in memo.observations()}
    needed = {right for request in asked for right in rights_of_request(request)}
    assert needed
    assert [right for right in needed if not _allowed(right)] == []


def test_a_grouped_rule_allows_nothing_that_is_not_needed() -> None:
    for repair in (False, True):
        known = set(_needs(repair=repair))
        for role in roles(_needs(repair=repair)):
            for rule, codes in role.rules:
                assert codes
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [""]):
                            assert (
                                PolicyRule(role.namespace, rule["apiGroups"][0], resource, verb, name)
                                in known
                            )


def test_looking_alone_changes_nothing() -> None:
    changing = {(one.resource, one.verb) for one in _needs() if one.verb not in ("get", "list")}
    # Reviews are questions; exec and attach are what KE921 asks about, for kubectl's sake.
    assert changing == {
        ("subjectaccessreviews", "create"),
        ("pods/exec", "create"),
        ("pods/attach", "create"),
    }


def test_without_operator_no_right_can_run_a_command() -> None:
    rights = {(one.resource, one.verb) for one in _needs(operator=False)}
    assert not {resource for resource, _ in rights} & {"pods/exec", "pods/attach", "nodes/proxy"}
    assert {one for one in rights if one[1] not in ("get", "list")} == {("subjectaccessreviews", "create")}
    # KE513 asks for a line of a log where it may not use the node proxy.
    assert PolicyRule("", "", "pods/log", "get") in _needs(operator=False)


def test_what_repairs_change_may_be_changed() -> None:
    registry = _plugins().registry
    for code, node in registry.remedies.items():
        if RunMode.RUN not in registry.checks[code].check.occasions:
            continue  # who installs is the cluster's administrator
        for touch in node.remedy.touches:
            assert touch.how in ("patch", "replace", "restart")
            rights = rights_of_touch(touch)
            assert rights, touch
            assert all(_allowed(right, repair=True) for right in rights), touch


def test_second_questions_come_up_when_first_answers_are_missing() -> None:
    source = FakeCluster()
    view = SiteView((HostView("cloud", frozenset(), FakeSource()),), source)
    asked = what_facts_ask(_plugins().registry, view)
    every = {request for requests in asked.values() for request in requests}
    assert ListObjects("Service", "kubeedge") in every  # where listing them everywhere is not allowed
    node = _plugins().registry.checks["KE101"]
    mine = questions_of(_plugins().registry, facts_in(node.parameters), asked)
    assert ListObjects("ConfigMap", "kubeedge", "", "metadata.name=cloudcore") in mine
    assert ListObjects("Secret", "kubeedge") not in mine


# ------------------------------------------------------------------------------------------ gates and traces


def test_what_a_gate_needs_is_what_its_page_says() -> None:
    gate = _plugins().gate()
    assert gate is not None
    page = (Path(__file__).parents[3] / "docs" / "gate.md").read_text(encoding="utf-8")
    documented = load(page.partition("```yaml\n")[2].partition("```")[0]).data
    made = roles(needs(_plugins(), Selection(only=gate.codes), Wanted(gate=True)))
    assert documented == made[0].body("kedoctor-gate")


def test_a_gate_whose_checks_are_left_out_makes_nothing() -> None:
    gate = _plugins().gate()
    assert gate is not None
    selection = Selection(skip=gate.codes)
    assert needs(_plugins(), selection, Wanted(gate=True)) == needs(_plugins(), selection)


def test_a_trace_of_anything_changes_nothing() -> None:
    more = set(needs(_plugins(), Selection(only=("KE202",)), Wanted(trace=True)))
    for resource in ("pods/exec", "pods/attach"):
        assert {PolicyRule("", "", resource, verb) for verb in ("create", "get")} <= more
    metrics = {PolicyRule("", "metrics.k8s.io", resource, "get") for resource in ("nodes", "pods")}
    assert {PolicyRule("", "", "pods/log", "get"), PolicyRule("", "", "nodes/proxy", "get"), *metrics} <= more
    assert {one.resource for one in more if one.verb not in ("get", "list")} == {"pods/exec", "pods/attach"}


def test_the_example_is_in_no_role() -> None:
    found = needs(_plugins(), Selection(), Wanted(repair=True, gate=True, trace=True))
    assert EXAMPLE not in {part for one in found for part in (one.namespace, one.name)}


# ------------------------------------------------------------------------------------------ from outside


def _rbac(*words: str) -> subprocess.CompletedProcess[str]:
    return kedoctor("rbac", *words)


def test_it_is_printed_as_documents_that_kubectl_takes() -> None:
    printed = _rbac("--symptom", "logs", "--service-account", "ops/doctor").stdout
    documents = [load(part).data for part in printed.split("---\n")[1:]]
    kinds = [one["kind"] for one in documents]
    assert kinds[0] == "ServiceAccount"
    assert kinds.count("Role") == kinds.count("RoleBinding") > 0
    assert kinds.count("ClusterRole") == kinds.count("ClusterRoleBinding") == 1
    items = json.loads(
        _rbac("--symptom", "logs", "--service-account", "ops/doctor", "--format", "json").stdout
    )["items"]
    assert items == documents


def test_without_a_subject_it_says_how_to_bind() -> None:
    printed = _rbac("--only", "KE202", "--lang", "zh", "--name", "looker").stdout
    assert "kubectl create rolebinding looker -n kubeedge --role=looker --user=NAME" in printed
    assert "绑定" in printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--only", "KE2O2"], "did you mean"),
        (["--service-account", "doctor"], "write it as NAMESPACE/NAME"),
        (["--service-account", "a/b", "--user", "c"], "exclude each other"),
        (["--name", "a\nb"], "cannot be the name of a role"),
    ],
)
def test_bad_words_are_told(words: list[str], told: str) -> None:
    done = _rbac(*words)
    assert done.returncode == 64
    assert told in done.stderr
