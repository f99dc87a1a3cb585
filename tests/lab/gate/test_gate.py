"""``kedoctor gate`` against a real HTTPS API server: what it lets through, what it stops, and what it leaves: nothing."""

from __future__ import annotations

import json
import signal
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import xmlschema
from apiserver import Manner, Object, Request, State, Unreachable
from apiserver.fixtures import TOKEN
from control_plane import WEAK, named
from gate_site import ROUND_TRIPS, edges, finish, gate_site, no_edges

pytestmark = pytest.mark.lab
STREAMS = ROUND_TRIPS[:3]
SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"


def test_a_healthy_site_passes_and_nothing_stays(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        seen: list[Object] = []
        site.server.store.on_change.append(
            lambda event: (
                seen.append(event.entry.obj)
                if event.kind == "ADDED" and event.entry.obj["kind"] in ("Pod", "Namespace")
                else None
            )
        )
        ran = site.gate("--wait", "20s")
        assert ran.code == 0, ran.err
        for code in ROUND_TRIPS:
            found = ran.verdicts(code)
            assert {edge: status for edge, (status, _) in found.items()} == {"edge1": "pass", "edge2": "pass"}
        for edge in ("edge1", "edge2"):
            assert ran.matrix(edge) == dict.fromkeys(("logs", "exec", "attach", "top", "ready"), "works")
        assert site.namespaces() == []
        namespace, *pods = seen
        assert namespace["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kedoctor"
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["edge1", "edge2"]


def test_waiting_never_repeats_a_proof_and_cuts_no_session_off(tmp_path: Path) -> None:
    """An edgecore that panics when a session is cut off, as the real one does now and then."""
    with gate_site(tmp_path) as site:
        site.server.edge.states["edge2"] = State.DEAD
        ran = site.gate("--wait", "8s")
        assert ran.code == 1
        assert [ran.verdicts(code)["edge1"][0] for code in STREAMS] == ["pass"] * 3
        asked = Counter(one.path for one in site.server.requests if "/pods/probe-" in one.path)
        for stream in ("log", "exec", "attach"):
            proved, tried = sorted(count for path, count in asked.items() if path.endswith(stream))
            assert proved == 1
            assert tried > 1
        assert site.server.edge.panics == {}


def test_one_edge_without_a_tunnel_stops_it(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        site.server.edge.states["edge2"] = State.DEAD
        ran = site.gate("--wait", "1s")
        assert ran.code == 1
        status, sentence = ran.verdicts("KE901")["edge2"]
        assert status == "fail"
        assert sentence == (
            "kubectl logs does not come back from edge2: HTTP 200 and nothing in it; "
            "kubectl logs prints nothing and exits 0."
        )
        assert ran.verdicts("KE902")["edge2"][0] == "fail"
        assert {ran.verdicts(code)["edge1"][0] for code in ROUND_TRIPS} == {"pass"}
        assert ran.matrix("edge1")["logs"] == "works"
        assert ran.matrix("edge2")["logs"] == "broken"
        # exec and attach fail for the same reason: one thing is broken.
        assert [cause["code"] for cause in ran.report["causes"]] == ["KE901"]
        assert site.namespaces() == []


BROKEN: list[tuple[State | Unreachable, str]] = [
    (State.NO_SESSION, "an error that says nothing"),
    (Unreachable("dial tcp {address}: connect: connection refused"), "connection refused"),
    (Unreachable("remote error: tls: unknown certificate authority"), "unknown certificate authority"),
    (State.HANG, "no answer within 10 s"),
]


def test_a_red_gate_writes_all_its_papers(tmp_path: Path) -> None:
    names = ("gate.xml", "gate.sarif", "summary.md")
    junit, sarif, summary = (tmp_path / name for name in names)
    summary.write_text("# of another step\n", encoding="utf-8")
    with gate_site(tmp_path) as site:
        site.server.edge.states["edge2"] = State.DEAD
        papers = ("--junit", str(junit), "--sarif", str(sarif))
        assert site.gate("--wait", "0", *papers, GITHUB_STEP_SUMMARY=str(summary)).code == 1
    xmlschema.XMLSchema10(str(SCHEMAS / "junit-10.xsd")).validate(junit.read_text(encoding="utf-8"))
    failed = [case for case in ET.parse(junit).iter("testcase") if case.find("failure") is not None]
    assert {case.get("name", "")[:5] for case in failed} == set(STREAMS)
    document = json.loads(sarif.read_text(encoding="utf-8"))
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema, cls=jsonschema.Draft7Validator)
    assert summary.read_text(encoding="utf-8").startswith("# of another step\n")
    assert "KE901" in summary.read_text(encoding="utf-8")


def test_each_way_to_break_has_its_sentence(tmp_path: Path) -> None:
    with gate_site(tmp_path, edges(5)) as site:
        for number, (state, _) in enumerate(BROKEN, 2):
            site.server.edge.states[f"edge{number}"] = state
        ran = site.gate("--wait", "0")
        assert ran.code == 1
        for code in STREAMS:
            found = ran.verdicts(code)
            assert found["edge1"][0] == "pass"
            for number, (_, words) in enumerate(BROKEN, 2):
                status, sentence = found[f"edge{number}"]
                assert (status, words in sentence) == ("fail", True), sentence
        assert site.namespaces() == []


def test_a_text_that_poses_as_the_log_is_not_the_log(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        posing = 'container "probe" not found in pod'
        site.kubelets.says = lambda node, line: posing if node == "edge2" else line
        ran = site.gate("--wait", "0", "--skip", "KE903")
        assert ran.code == 1
        status, sentence = ran.verdicts("KE901")["edge2"]
        assert status == "fail"
        assert posing in sentence
        assert ran.verdicts("KE902")["edge2"][0] == "pass"


def test_it_waits_until_everything_is_right(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        site.server.edge.states["edge2"] = State.NO_SESSION
        process = site.start("--wait", "60s")
        assert process.stderr is not None
        lines = []
        while not any("waiting for KE901 edge2" in line for line in lines):
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        del site.server.edge.states["edge2"]
        ran = finish(process)
        assert ran.code == 0, ran.err
        assert site.namespaces() == []


def test_the_time_is_over_before_there_are_figures(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        site.server.faults.clear()
        site.server.faults.add("GET /apis/metrics.k8s.io/.*/nodes", before=site.sample_nodes)
        ran = site.gate("--wait", "1s")
        assert ran.code == 3
        assert "waiting for KE904 edge1; KE904 edge2 (1 s left)" in ran.err
        status, sentence = ran.verdicts("KE904")["edge1"]
        assert status == "unknown"
        assert "no metrics for the test pod and its container on edge1 yet" in sentence
        assert ran.verdicts("KE901")["edge1"][0] == "pass"
        assert site.namespaces() == []


def test_only_one_edge_is_asked_about(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        site.server.edge.states["edge2"] = State.DEAD
        ran = site.gate("--wait", "5s", "--node", "edge1")
        assert ran.code == 0, ran.err
        assert list(ran.verdicts("KE901")) == ["edge1"]
        assert [row["edge"] for row in ran.report["matrix"]] == ["edge1"]
        assert site.gate("--wait", "0", "--node", "edge2").code == 1
        gone = site.gate("--wait", "0", "--node", "edge7")
        assert gone.code == 3
        assert gone.verdicts("KE901") == {
            "edge7": ("unknown", "Not proved on edge7: there is no edge node edge7.")
        }
        assert site.namespaces() == []


def test_no_edges_is_no_success(tmp_path: Path) -> None:
    with gate_site(tmp_path, no_edges) as site:
        ran = site.gate("--wait", "0")
        assert ran.code == 3
        sentence = "Nothing is proved: there is no edge node to make a test pod on."
        assert ran.verdicts("KE901") == {"site": ("unknown", sentence)}
        only = site.gate("--wait", "0", "--skip", "KE7xx")
        assert only.code == 3


NOT_RUNNING = [
    (Manner.NO_IMAGE, "does not have the image docker.io/library/busybox:1.36 (ErrImageNeverPull)"),
    (Manner.NO_REGISTRY, "does not have the image docker.io/library/busybox:1.36 (ImagePullBackOff)"),
    (Manner.CREATING, "its test pod does not start (ContainerCreating)"),
    (Manner.AWAY, "is Ready, and has said nothing of its test pod yet"),
    (Manner.REJECTED, "does not start (OutOfcpu: Pod was rejected"),
]


def test_a_pod_that_does_not_run_proves_nothing(tmp_path: Path) -> None:
    with gate_site(tmp_path, edges(6)) as site:
        for number, (manner, _) in enumerate(NOT_RUNNING, 2):
            site.kubelets.manners[f"edge{number}"] = manner
        ran = site.gate("--wait", "0", "--pull", "never")
        assert ran.code == 3
        for code in ROUND_TRIPS:
            found = ran.verdicts(code)
            assert found["edge1"][0] == "pass"
            for number, (_, words) in enumerate(NOT_RUNNING, 2):
                status, sentence = found[f"edge{number}"]
                assert (status, words in sentence) == ("unknown", True), sentence
        assert site.namespaces() == []


def test_an_edge_that_is_away_holds_up_nothing(tmp_path: Path) -> None:
    """Its pod neither starts nor ends; it is taken off the list, so the namespace goes."""
    with gate_site(tmp_path) as site:
        site.server.api.pods_linger = True
        site.kubelets.manners["edge2"] = Manner.AWAY
        node = site.cluster.get("", "nodes", "edge2")
        ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
        ready |= {"status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting"}
        site.cluster.put(node)
        ran = site.gate("--wait", "0")
        assert ran.code == 1
        assert "edge2 is not Ready (KE702)" in ran.verdicts("KE901")["edge2"][1]
        assert ran.verdicts("KE702")["edge2"][0] == "fail"
        assert ran.verdicts("KE901")["edge1"][0] == "pass"
        assert site.namespaces() == []


def test_the_api_server_is_lost_and_comes_back(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        process = site.start("--wait", "2s", patience="0.2")
        site.until(lambda: len(site.pods()) == 2)
        site.cut()
        time.sleep(4.0)
        site.mend()
        ran = finish(process)
        assert ran.code == 3, ran.err
        assert site.namespaces() == []


def test_the_api_server_is_lost_for_good(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        process = site.start("--wait", "1s")
        site.until(lambda: len(site.pods()) == 2)
        site.cut()
        ran = finish(process)
        assert ran.code == 3
        (name,) = site.namespaces()
        assert f"Remove them with: kubectl delete namespace {name}" in ran.err


def test_a_bundle_that_is_taken_meanwhile_tells_the_same(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        site.server.edge.states["edge2"] = State.NO_SESSION
        process = site.start("--wait", "60s")
        site.until(lambda: sum(pod["status"]["phase"] == "Running" for pod in site.pods()) == 2)
        bundle = tmp_path / "site.tgz"
        site.run("collect", "-o", str(bundle), "--kubeconfig", str(tmp_path / f"config-{TOKEN}"))
        process.send_signal(signal.SIGINT)
        finish(process)
        told = site.run(
            "run", "--evidence", str(bundle), "--only", "KE9xx", "--format", "json", "--lang", "en"
        )
        for code in STREAMS:
            found = {edge: status for edge, (status, _) in told.verdicts(code).items()}
            assert found == {"edge1": "pass", "edge2": "fail"}


def test_what_cannot_be_removed_is_told_and_not_green(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        site.server.faults.add("DELETE /api/v1/namespaces/", status=500)
        ran = site.gate("--wait", "20s")
        assert ran.report["run"]["exit_code"] == 0
        assert ran.code == 4
        assert f"kubectl delete namespace {site.namespaces()[0]}" in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with gate_site(tmp_path) as site:
        site.server.edge.states["edge2"] = State.HANG
        process = site.start("--wait", "60s", patience="1")
        site.until(lambda: len(site.pods()) == 2)
        process.send_signal(number)
        process.send_signal(signal.SIGINT)  # an impatient second one changes nothing
        ran = finish(process)
        assert ran.code == 130
        assert site.namespaces() == []


def test_a_killed_gate_is_cleared_up_by_the_next(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        process = site.start("--wait", "60s", patience="1")
        site.until(lambda: len(site.pods()) == 2)
        process.kill()
        finish(process)
        (name,) = site.namespaces()
        # One that still runs, or that runs elsewhere, is left alone.
        namespace = site.cluster.get("", "namespaces", name)
        other = json.loads(json.dumps(namespace))
        other["metadata"] |= {"name": "kedoctor-gate-other"}
        other["metadata"]["annotations"]["kedoctor/place"] = "another machine"
        site.cluster.put(other)
        ran = site.gate("--wait", "20s")
        assert ran.code == 0, ran.err
        assert f"had left the namespace {name}; it is removed now" in ran.err
        assert site.namespaces() == ["kedoctor-gate-other"]
        other["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
        site.cluster.put(other)
        assert site.gate("--wait", "20s").code == 0
        assert site.namespaces() == []


def test_a_user_without_rights_is_told_which(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        ran = site.gate("--wait", "0", token=WEAK)
        assert ran.code == 3
        status, sentence = ran.verdicts("KE901")["edge1"]
        assert status == "unknown"
        assert 'cannot create resource "namespaces"' in sentence


REFUSALS = [
    'pods "probe" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
    'pods "probe" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=5, limited: pods=5',
    'admission webhook "validate.policy" denied the request: no pods on edges',
]


def test_an_admission_that_refuses_pods_is_named(tmp_path: Path) -> None:
    with gate_site(tmp_path, edges(4)) as site:
        for number, message in enumerate(REFUSALS, 2):
            site.server.faults.add(_pod_on(f"edge{number}"), status=403, message=message)
        ran = site.gate("--wait", "0")
        assert ran.code == 3
        found = ran.verdicts("KE901")
        assert found["edge1"][0] == "pass"
        for number, message in enumerate(REFUSALS, 2):
            status, sentence = found[f"edge{number}"]
            assert (status, message in sentence) == ("unknown", True), sentence
        assert site.namespaces() == []


def _pod_on(edge: str) -> Callable[[Request], bool]:
    def fits(request: Request) -> bool:
        return request.method == "POST" and json.dumps(edge).encode() in request.body

    return fits


def test_a_pod_that_somebody_deletes_is_made_again(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        site.server.edge.states["edge2"] = State.NO_SESSION
        process = site.start("--wait", "60s")
        site.until(lambda: len(site.pods()) == 2)
        pods = site.server.store.resources.find("", "v1", "pods")
        for pod in site.pods():
            site.server.store.delete(pods, pod)
        del site.server.edge.states["edge2"]
        assert finish(process).code == 0
        assert site.namespaces() == []


def test_a_cordoned_edge_that_is_away_is_left_out(tmp_path: Path) -> None:
    with gate_site(tmp_path) as site:
        site.kubelets.manners["edge2"] = Manner.AWAY
        node = site.cluster.get("", "nodes", "edge2")
        node["spec"]["unschedulable"] = True
        named([node], "Node", "edge2")["status"]["conditions"][-1]["status"] = "Unknown"
        site.cluster.put(node)
        ran = site.gate("--wait", "0")
        assert ran.verdicts("KE901")["edge2"] == ("skip", "edge2 is cordoned and away.")
        assert ran.code == 0
