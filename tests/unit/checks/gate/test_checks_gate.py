"""The gate without a cluster: what comes back is judged by its content, and what is missing is never a success."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from siteworld import NOW, FakeCluster, before, both_languages, edge, edges, made, only

from kedoctor.api import (
    GATE_PODS,
    Cluster,
    Finding,
    GatePod,
    PodOrder,
    Reason,
    Status,
    StreamedAnswer,
    Unavailable,
)
from kedoctor.checks.facts.cluster.metrics import NodeSamples
from kedoctor.checks.gate.facts import (
    AttachTrips,
    ExecTrips,
    GateFigures,
    GatePods,
    LogTrips,
    exec_nonce,
    exec_trips,
    gate_figures,
    gate_pods,
    log_trips,
)
from kedoctor.checks.gate.pod import RECIPE, pod_spec
from kedoctor.checks.gate.streams import attach_roundtrip, exec_roundtrip, logs_roundtrip
from kedoctor.checks.gate.top import top_roundtrip
from kedoctor.checks.gate.tunnels import NewTunnels, tunnel_kept
from kedoctor.checks.parsers.kubernetes import PodMetrics
from kedoctor.gate.namespace import Owner
from kedoctor.model.gate import absent
from kedoctor.model.observations.apiserver import GetPath, ListObjects
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog
from kedoctor.plugins import load_plugins

NONCE = "8c5f00aa11bb22cc"
LABELS = dict(part.split("=") for part in GATE_PODS.split(",")) | {"kedoctor/nonce": NONCE}
DIALLED = (
    'Get "https://10.99.0.2:10351/containerLogs/ns/probe/probe?tailLines=20": dial tcp 10.99.0.2:10351: '
)


def pod(node: str = "edge1", *, name: str = "probe-1", **status: Any) -> GatePod:
    """A test pod that runs, unless told otherwise."""
    running = {"containerStatuses": [{"name": "probe", "state": {"running": {"startedAt": before(20)}}}]}
    found: GatePod = made(
        GatePod,
        metadata={
            "name": name,
            "namespace": "kedoctor-gate-1",
            "labels": LABELS,
            "creationTimestamp": before(30),
        },
        spec={"nodeName": node},
        status=status or {"phase": "Running", **running},
    )
    return found


def waiting(reason: str, message: str = "", image: str = "busybox:1.36") -> GatePod:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(phase="Pending", containerStatuses=[{"name": "probe", "image": image, "state": state}])


def pods(*items: GatePod) -> GatePods:
    return GatePods({item.node: item for item in items or (pod(),)})


def logs(answer: StreamedAnswer | Unavailable, **answers: Any) -> Finding:
    return only(logs_roundtrip(pods(), LogTrips({"edge1": answer}), edges()))


def said(out: str, **fields: Any) -> StreamedAnswer:
    return StreamedAnswer(fields.pop("status", 200), out.encode(), **fields)


def check_words(findings: Iterable[Finding]) -> None:
    for finding in findings:
        assert both_languages(finding), finding.summary.en


# ------------------------------------------------------------------------------------------------- content


def test_the_nonce_is_what_counts() -> None:
    found = logs(said(f"{NONCE} 7\n{NONCE} 8\n"))
    assert (found.status, found.node) == (Status.PASS, "edge1")
    check_words([found])


@pytest.mark.parametrize(
    ("answer", "hop", "words"),
    [
        (said(""), "tunnel", "HTTP 200 and nothing in it; kubectl logs prints nothing and exits 0"),
        (said("", status=500, reason="Internal error occurred:"), "session", "an error that says nothing"),
        (said("", status=500, reason=f"{DIALLED}connect: connection refused"), "diversion", "connection refused"),
        (said("", status=500, reason=f"{DIALLED}i/o timeout"), "diversion", "dial tcp 10.99.0.2:10351: i/o timeout"),
        (said("", status=500, reason='Get "https://10.99.0.2:10351/x": remote error: tls: unknown certificate authority'),
         "diversion", "the API server says: remote error: tls: unknown certificate authority."),
        (said("", status=0, reason="deadline", complete=False), "edged", "no answer within 10 s"),
        (said("", reason="unexpected end", complete=False), "tunnel", "closed before anything came"),
        (said("container not found"), "edged", "but “container not found”"),
        (said("<html>proxy</html>", status=502, reason="Bad Gateway"), None, "Bad Gateway"),
        (said("", status=400, reason="container is waiting to start"), None, "waiting to start"),
    ],
)  # fmt: skip
def test_each_other_ending_of_a_log_has_its_sentence(
    answer: StreamedAnswer, hop: str | None, words: str
) -> None:
    found = logs(answer)
    assert found.status is Status.FAIL, found.summary.en
    assert found.hop == hop
    assert words in found.summary.en
    assert "https://" not in found.summary.en  # the address says no more than the edge's name
    check_words([found])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            said("", status=403, reason='User "ann" cannot get resource "pods/log"'),
            "this user may not use it",
        ),
        (said("", status=404, reason='pods "probe" not found'), "the test pod is gone"),
        (Unavailable(Reason.REFUSED, "logs of pod", "https://x: connection refused"), "connection refused"),
        (Unavailable(Reason.TIMEOUT, "logs of pod", "https://x: no answer"), "no answer"),
    ],
)
def test_what_could_not_be_asked_is_not_known(answer: StreamedAnswer | Unavailable, words: str) -> None:
    found = logs(answer)
    assert found.status is Status.UNKNOWN
    assert words in found.summary.en
    check_words([found])


def test_a_log_that_stops_after_the_nonce_is_a_warning() -> None:
    found = logs(said(f"{NONCE} 1\n", reason="deadline", complete=False))
    assert found.status is Status.WARN
    check_words([found])


def executed(**fields: Any) -> Finding:
    answer = said(fields.pop("out", ""), status=fields.pop("status", 101), **fields)
    return only(exec_roundtrip(pods(), ExecTrips({"edge1": answer}), edges()))


def test_a_command_says_its_own_word() -> None:
    word = exec_nonce(pod())
    assert executed(out=f"{word}\n", exit_code=0).status is Status.PASS
    assert executed(out=f"{word}\n", reason="unexpected end", complete=False).status is Status.WARN
    # What the pod writes into its log is not what the command says.
    assert executed(out=f"{NONCE} 3\n", exit_code=0).status is Status.FAIL


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"reason": "unknown error"}, Status.FAIL, "an error that says nothing"),
        ({"reason": 'error sending request: Post "https://10.99.0.2:10351/exec/a": unexpected EOF'},
         Status.FAIL, "closed before anything came"),
        ({"reason": 'Internal error occurred: error sending request: Post "https://10.99.0.2:10350/exec/a": dial tcp '
                    "10.99.0.2:10350: connect: connection refused"}, Status.FAIL,
         "the API server says: dial tcp 10.99.0.2:10350: connect: connection refused."),
        ({"reason": 'exec: "echo": executable file not found in $PATH'}, Status.UNKNOWN, "has no echo"),
        ({"exit_code": 0}, Status.FAIL, "nothing came"),
        ({"status": 500, "reason": "Internal error occurred:"}, Status.FAIL, "an error that says nothing"),
    ],
)  # fmt: skip
def test_each_ending_of_exec_has_its_sentence(fields: dict[str, Any], status: Status, words: str) -> None:
    found = executed(**fields)
    assert (found.status, words in found.summary.en) == (status, True), found.summary.en
    check_words([found])


def test_attach_must_hear_the_nonce() -> None:
    def attached(answer: StreamedAnswer) -> Status:
        return only(attach_roundtrip(pods(), AttachTrips({"edge1": answer}), edges())).status

    assert attached(said(f"{NONCE} 9\n", status=101)) is Status.PASS
    assert attached(said("", status=101, reason="unexpected end", complete=False)) is Status.FAIL
    assert attached(said("", status=101, reason="deadline", complete=False)) is Status.FAIL


# ----------------------------------------------------------------------------------------- nothing to ask


def test_without_a_gate_nothing_is_asked() -> None:
    source = FakeCluster()  # it forbids everything
    found = gate_pods(Cluster(source))
    assert found.items == {}
    finding = only(logs_roundtrip(found, log_trips(Cluster(source), found), edges()))
    assert finding.status is Status.SKIP
    assert [type(request) for request in source.asked] == [ListObjects]


@pytest.mark.parametrize(
    ("there", "known", "status", "words"),
    [
        (absent("", "none"), edges(), Status.UNKNOWN, "no test pod was made (none)"),
        (absent("edge7", "no such node"), edges(), Status.UNKNOWN, "there is no edge node edge7"),
        (absent("edge1", 'user cannot create resource "pods"'), edges(), Status.UNKNOWN, "cannot create resource"),
        (absent("edge1", "exceeded quota: x"), edges(), Status.UNKNOWN, "exceeded quota"),
        (absent("edge1", "x"), edges(edge(ready="Unknown", cordoned=True)), Status.SKIP, "cordoned and away"),
        (pod(phase="Pending"), edges(), Status.UNKNOWN, "has said nothing of its test pod yet"),
        (pod(phase="Pending"), edges(edge(ready="Unknown")), Status.UNKNOWN, "not Ready (KE702)"),
        (waiting("ErrImageNeverPull"), edges(), Status.UNKNOWN, "does not have the image busybox:1.36"),
        (waiting("ContainerCreating"), edges(), Status.UNKNOWN, "does not start (ContainerCreating)"),
        (waiting("CreateContainerError", "no runc"), edges(), Status.UNKNOWN, "(CreateContainerError: no runc)"),
        (pod(phase="Failed", reason="OutOfcpu", message="too full"), edges(), Status.UNKNOWN, "OutOfcpu: too full"),
    ],
)  # fmt: skip
def test_without_a_running_pod_nothing_is_proved(
    there: GatePod, known: Any, status: Status, words: str
) -> None:
    for check, trips in (
        (logs_roundtrip, LogTrips()),
        (exec_roundtrip, ExecTrips()),
        (attach_roundtrip, AttachTrips()),
    ):
        found = only(check(pods(there), trips, known))  # type: ignore[arg-type]
        assert (found.status, words in found.summary.en) == (status, True), found.summary.en
        check_words([found])


def test_a_site_without_edges_proves_nothing() -> None:
    from kedoctor.checks.facts.cluster.nodes import EdgeNodes  # noqa: PLC0415  only here without any

    nowhere = pods(absent("", "none"))
    found = only(logs_roundtrip(nowhere, LogTrips(), EdgeNodes(())))
    assert (found.status, found.node) == (Status.UNKNOWN, "")
    assert "there is no edge node" in found.summary.en
    unread = only(logs_roundtrip(nowhere, LogTrips(), Unavailable(Reason.FORBIDDEN, "list nodes", "no")))
    assert "which edges there are could not be read" in unread.summary.en


# ---------------------------------------------------------------------------------------------------- top


def top(*, node_age: float | None = 10, in_pod: bool = True, made_before: float = 300) -> Finding:
    ends = {} if node_age is None else {"edge1": before(node_age)}
    limit = NOW - before(240)
    there = made(
        GatePod,
        metadata={
            "name": "p",
            "namespace": "n",
            "labels": LABELS,
            "creationTimestamp": before(made_before),
        },
        spec={"nodeName": "edge1"},
        status={
            "phase": "Running",
            "containerStatuses": [
                {"name": "probe", "state": {"running": {"startedAt": before(made_before)}}}
            ],
        },
    )
    figures = GateFigures(frozenset({"edge1"} if in_pod else ()))
    found = only(top_roundtrip(pods(there), figures, NodeSamples(ends, NOW, limit), edges()))
    check_words([found])
    return found


def test_top_wants_figures_of_node_and_pod() -> None:
    assert top().status is Status.PASS
    assert top(in_pod=False, made_before=30).status is Status.UNKNOWN
    late = top(in_pod=False)
    assert (late.status, late.hop) == (Status.FAIL, "metrics-server")
    assert "for the test pod and its container on edge1" in late.summary.en
    assert "for the node and the test pod" in top(node_age=None, in_pod=False).summary.en
    assert top(node_age=3000).status is Status.FAIL


def test_figures_need_a_number_of_the_container() -> None:
    def sample(*containers: dict[str, Any]) -> PodMetrics:
        found: PodMetrics = made(
            PodMetrics,
            metadata={"name": "probe-1", "namespace": "kedoctor-gate-1", "labels": LABELS},
            containers=containers,
        )
        return found

    def seen(*containers: dict[str, Any]) -> frozenset[str]:
        class Samples:
            def observe(self, request: Any) -> Any:
                return (sample(*containers),)

        found = gate_figures(Cluster(Samples()), pods())
        assert isinstance(found, GateFigures)
        return found.edges

    assert seen({"name": "probe", "usage": {"cpu": "1n", "memory": "1Ki"}}) == {"edge1"}
    assert seen({"name": "probe", "usage": {}}) == frozenset()
    assert seen() == frozenset()


# --------------------------------------------------------------------------------------------- what is asked


class Edge:
    """Answers streams; ``hangs``: none of them ever, but the API server does."""

    def __init__(self, *, hangs: bool, alive: bool = True) -> None:
        self.hangs, self.alive = hangs, alive
        self.asked: list[Any] = []

    def observe(self, request: Any) -> Any:
        self.asked.append(request)
        if isinstance(request, GetPath):
            return object() if self.alive else Unavailable(Reason.TIMEOUT, request.path)
        assert isinstance(request, FollowPodLog | ExecInPod | AttachToPod)
        return Unavailable(Reason.TIMEOUT, "logs") if self.hangs else said(f"{NONCE}\n")


def test_a_hanging_edge_is_told_from_a_hanging_api_server() -> None:
    answer = log_trips(Cluster(Edge(hangs=True)), pods()).answers["edge1"]
    assert isinstance(answer, StreamedAnswer)
    assert (answer.reason, answer.complete) == ("deadline", False)
    lost = log_trips(Cluster(Edge(hangs=True, alive=False)), pods()).answers["edge1"]
    assert isinstance(lost, Unavailable)


def test_only_pods_that_run_are_asked() -> None:
    source = Edge(hangs=False)
    two = GatePods({"edge1": pod(), "edge2": pod("edge2", phase="Pending")})
    assert list(exec_trips(Cluster(source), two).answers) == ["edge1"]
    (request,) = source.asked
    assert request.command == ("echo", f"exec-{NONCE}")


def test_the_pod_that_runs_is_the_one_that_is_asked() -> None:
    listed = (pod(name="a", phase="Failed", reason="Evicted"), pod(name="b"), pod(name="c", phase="Pending"))

    class Listed:
        def observe(self, request: Any) -> Any:
            return listed

    assert gate_pods(Cluster(Listed())).items["edge1"].metadata.name == "b"


# ------------------------------------------------------------------------------------------------ the tunnel


def kept(tunnels: NewTunnels | Unavailable) -> Finding:
    two = GatePods({"edge1": pod()})
    found = only(tunnel_kept(two, tunnels, edges(edge("edge1"))))
    assert both_languages(found)
    return found


def test_an_edge_that_lost_its_tunnel_is_told_and_stops_no_gate() -> None:
    created = pod().metadata.creation_timestamp
    assert created is not None
    assert kept(NewTunnels({"edge1": created - timedelta(seconds=1)})).status is Status.PASS
    assert kept(NewTunnels()).status is Status.PASS, "it came before what was read of the log"
    lost = kept(NewTunnels({"edge1": created + timedelta(seconds=3)}))
    assert lost.status is Status.WARN
    assert lost.hint is not None
    assert "kubeedge/kubeedge#6488" in lost.hint.en
    assert kept(Unavailable(Reason.FORBIDDEN, "the log of cloudcore")).status is Status.UNKNOWN
    assert only(tunnel_kept(GatePods(), NewTunnels(), edges())).status is Status.SKIP


def test_tunnels_are_looked_at_after_the_round_trips() -> None:
    needed = load_plugins().registry.facts[NewTunnels].parameters
    assert {LogTrips, ExecTrips, AttachTrips} <= {one.type for one in needed}


# ------------------------------------------------------------------------------------------------- the pod

ORDER = PodOrder("edge1", NONCE, "busybox:1.36", "Never", 900)


def test_the_pod_fits_the_restricted_standard() -> None:
    spec = pod_spec(ORDER)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & set(spec)
    assert (spec["nodeName"], spec["activeDeadlineSeconds"]) == ("edge1", 900)
    assert container["imagePullPolicy"] == "Never"
    assert RECIPE.codes == ("KE901", "KE902", "KE903", "KE904", "KE905")


def test_the_script_writes_the_nonce_every_second_and_ends_when_told() -> None:
    command = pod_spec(ORDER)["containers"][0]["command"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.terminate()
        assert process.wait(timeout=10) == 0
    assert lines == [f"{NONCE} 1\n", f"{NONCE} 2\n"]


# ----------------------------------------------------------------------------------------------- left behind


def test_a_dead_owner_is_known_only_where_it_lived() -> None:
    mine = Owner.this("this-boot")
    assert re.fullmatch(r"\d+", mine.started)
    assert not mine.is_dead(mine)
    with subprocess.Popen(["sleep", "60"]) as child:
        other = Owner(mine.place, child.pid, _started(child.pid))
        assert not other.is_dead(mine)
        child.kill()
    assert other.is_dead(mine)
    assert Owner(mine.place, mine.pid, "1").is_dead(mine)  # its number was given to somebody else
    # In another container, or after another boot, nothing is known of it.
    assert not Owner("this-boot pid:[1]", other.pid, other.started).is_dead(mine)
    assert not Owner("another-boot", other.pid, other.started).is_dead(mine)
    assert not other.is_dead(Owner.this(""))


def _started(pid: int) -> str:
    from kedoctor.gate.namespace import _process_started  # noqa: PLC0415  looks inside

    return _process_started(pid)
