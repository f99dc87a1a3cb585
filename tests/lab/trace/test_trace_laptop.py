"""``kedoctor trace`` from a laptop: only the API is seen, and what could not be seen is said; ``top`` and its figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiserver import Container, Object
from control_plane import named, stamp
from site_runs import Site, site
from trace_site import pod, states

from kedoctor.sandbox.apiserver import (
    NO_ROUTE,
    REFUSED,
    TIMED_OUT,
    WRONG_PORT,
    Result,
    State,
    Unreachable,
)

pytestmark = pytest.mark.lab


def with_pod(objects: list[Object]) -> None:
    objects.append(pod("web", "edge1"))
    objects.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("laptop"), stream=True, change=with_pod) as opened:
        opened.cluster.server.edge.containers["default", "web", "main"] = Container(log="hello\n")
        yield opened


@pytest.fixture
def laptop(module_site: Site) -> Iterator[Site]:
    yield module_site
    module_site.cluster.server.edge.recover()


def traced(laptop: Site, *words: str, timeout: str = "1s") -> tuple[int, dict[str, Any]]:
    ran = laptop.kedoctor("trace", *words, "--format", "json", "--timeout", timeout)
    found: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == found["exit_code"]
    return ran.returncode, found


def seen(found: dict[str, Any]) -> dict[str, str]:
    return {hop["name"]: hop["seen"] for hop in found["hops"]}


def test_what_is_not_seen_is_said_with_where_it_would_be(laptop: Site) -> None:
    exit_code, found = traced(laptop, "logs", "default/web")
    assert exit_code == 0
    assert found["sides"] == []
    unseen = {hop["name"]: hop["where"] for hop in found["hops"] if hop["state"] == "not-seen"}
    assert unseen == {
        "answer": "on the API server's host",
        "nat": "on the API server's host",
        "session": "on the cloud host",
        "tunnel": "on edge1 itself",
        "edged": "on edge1 itself",
        "runtime": "on edge1 itself",
    }
    told = {hop["name"]: hop["seen"] for hop in found["hops"]}
    assert "`sudo kedoctor trace logs edge1` on edge1 itself" in told["edged"]
    assert "`sudo kedoctor trace logs default/web` on the API server's host" in told["nat"]


def test_what_is_not_seen_is_printed(laptop: Site) -> None:
    ran = laptop.kedoctor("trace", "logs", "default/web", "--lang", "en")
    lines = ran.stdout.splitlines()
    assert "Hops 3, 4: run on the API server's host." in lines
    assert (
        lines[-1]
        == "kubectl logs default/web works: the real request was answered, and its content is right."
    )
    chinese = laptop.kedoctor("trace", "logs", "default/web", "--lang", "zh").stdout
    assert "第 3, 4 环节：请在 API 服务器所在主机上运行。" in chinese.splitlines()


# The state of the edge, and what both the node proxy and the real request then point at.
ANSWERS: list[tuple[State | Unreachable, str, str]] = [
    (REFUSED, "diversion", "KE303"),
    (NO_ROUTE, "diversion", "KE304"),
    (WRONG_PORT, "diversion", "KE304"),
    (State.NO_SESSION, "session", "KE508"),
    (State.DEAD, "session", "KE508"),
    (State.HANG, "tunnel", "KE508"),
    (TIMED_OUT, "tunnel", "KE508"),
    (
        Unreachable("tls: failed to verify certificate: x509: certificate signed by unknown authority"),
        "stream",
        "KE407",
    ),
    (Unreachable("dial tcp: lookup edge1 on 10.96.0.10:53: no such host"), "address", "KE311"),
]
TOLD_OTHERWISE_BY_EXEC = (REFUSED, State.NO_SESSION, State.DEAD, State.HANG)


@pytest.mark.parametrize(
    ("capability", "state", "hop", "code"),
    [
        *(("logs", *answer) for answer in ANSWERS),
        *(("exec", *answer) for answer in ANSWERS if answer[0] in TOLD_OTHERWISE_BY_EXEC),
    ],
)
def test_what_the_answers_point_at(
    laptop: Site, capability: str, state: State | Unreachable, hop: str, code: str
) -> None:
    laptop.cluster.server.edge.states["edge1"] = state
    exit_code, found = traced(laptop, capability, "default/web")
    assert (exit_code, found["broken_hop"], found["code"]) == (1, hop, code), found["summary"]
    assert "its answer points at" in found["summary"]
    assert states(found)[capability] == states(found)["node-proxy"] == "broken"
    assert found["next"][1].partition("   # on ")[2] == (
        "edge1" if hop in ("address", "session", "tunnel") else "the cloud host"
    )


def test_a_node_port_is_seen_from_anywhere(laptop: Site) -> None:
    edge = laptop.cluster.get("", "nodes", "edge1")
    port = edge["status"]["daemonEndpoints"]["kubeletEndpoint"]
    before = port["Port"]
    port["Port"] = 10350
    laptop.cluster.put(edge)
    laptop.cluster.server.edge.states["edge1"] = REFUSED
    exit_code, found = traced(laptop, "logs", "default/web")
    assert (exit_code, found["broken"], found["code"]) == (1, "address", "KE301")
    assert found["next"] == ["kedoctor explain KE301", "sudo kedoctor run --fix   # on edge1"]
    port["Port"] = before
    laptop.cluster.put(edge)


@pytest.mark.parametrize(("capability", "request_"), [("logs", "GET .*/log"), ("exec", "GET .*/exec")])
def test_what_the_user_may_not_do_is_no_broken_hop(laptop: Site, capability: str, request_: str) -> None:
    denied = 'pods "web" is forbidden: User "ann" cannot get resource "pods/log" in API group ""'
    fault = laptop.cluster.server.faults.add(request_, status=403, message=denied)
    exit_code, found = traced(laptop, capability, "default/web")
    laptop.cluster.server.faults.remove(fault)
    assert (exit_code, found["works"], found["broken"]) == (3, None, "")
    assert "KE921" in seen(found)[capability]


def test_a_container_that_is_not_started_says_nothing_of_the_way(laptop: Site) -> None:
    words = 'container "main" in pod "web" is waiting to start: ContainerCreating'
    fault = laptop.cluster.server.faults.add("GET .*/log", status=400, message=words)
    exit_code, found = traced(laptop, "logs", "default/web")
    laptop.cluster.server.faults.remove(fault)
    assert (exit_code, states(found)["logs"]) == (3, "unknown")


def test_an_image_without_echo_proves_the_way_all_the_same(laptop: Site) -> None:
    container = laptop.cluster.server.edge.containers["default", "web", "main"]
    usual = container.run
    container.run = lambda _: Result(
        error='failed to exec in container: OCI runtime exec failed: exec: "echo": executable file not found in $PATH'
    )
    exit_code, found = traced(laptop, "exec", "default/web")
    container.run = usual
    assert (exit_code, found["works"]) == (0, True)
    assert "has no echo" in seen(found)["exec"]


@pytest.mark.parametrize("capability", ["logs", "exec"])
def test_the_edge_is_seen_to_keep_its_edgecore(laptop: Site, capability: str) -> None:
    exit_code, found = traced(laptop, capability, "default/web")
    assert (exit_code, states(found)["edgecore-kept"]) == (0, "ok")
    assert "is the same process as before the request" in seen(found)["edgecore-kept"]


def test_an_edgecore_that_ends_at_the_request_is_told(laptop: Site) -> None:
    edge = laptop.cluster.server.edge
    container = edge.containers["default", "web", "main"]
    usual = container.run

    def panics(command: Any) -> Result:
        edge.panic("edge1")
        return usual(command)

    container.run = panics
    exit_code, found = traced(laptop, "exec", "default/web")
    container.run = usual
    assert (exit_code, found["works"], found["broken"], found["code"]) == (1, True, "edgecore-kept", "KE905")
    assert "kubeedge#6488" in found["summary"]


# --------------------------------------------------------------------------------------------------- top


def test_top_with_figures(laptop: Site) -> None:
    exit_code, found = traced(laptop, "top", "edge1", timeout="10s")  # what works has time on a busy machine
    names = [hop["name"] for hop in found["hops"]]
    assert names[-3:] == ["apiservice", "metrics-server", "top"]
    assert (exit_code, found["works"]) == (0, True), seen(found)
    assert "has metrics for edge1" in found["hops"][-1]["seen"]


def test_top_of_a_pod_wants_figures_of_the_pod(laptop: Site) -> None:
    exit_code, found = traced(laptop, "top", "default/web")
    assert (exit_code, found["broken"], found["works"]) == (1, "top", False)
    assert "none of default/web" in found["hops"][-1]["seen"]


def test_top_without_the_flag_for_the_port_of_the_node(laptop: Site) -> None:
    deployment = laptop.cluster.get("apps", "deployments", "metrics-server")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    usual = list(container["args"])
    container["args"] = [one for one in usual if one != "--kubelet-use-node-status-port"]
    laptop.cluster.put(deployment)
    old = laptop.cluster.get("metrics.k8s.io", "nodes", "cloud") | {"timestamp": stamp(-900)}
    laptop.cluster.put({**old, "metadata": {"name": "edge1"}})
    exit_code, found = traced(laptop, "top", "edge1")
    assert (exit_code, found["broken"], found["code"]) == (1, "metrics-server", "KE603")
    assert found["next"][1] == "sudo kedoctor run --fix   # on the cloud host"
    container["args"] = usual
    laptop.cluster.put(deployment)


def test_top_without_a_pod_of_metrics_server(laptop: Site) -> None:
    deployment = laptop.cluster.get("apps", "deployments", "metrics-server")
    deployment["spec"]["replicas"] = 0
    laptop.cluster.put(deployment)
    exit_code, found = traced(laptop, "top", "edge1")
    assert (exit_code, found["broken"], found["code"]) == (1, "metrics-server", "KE602")
    deployment["spec"]["replicas"] = 1
    laptop.cluster.put(deployment)


def test_an_api_service_that_is_not_available(tmp_path: Path) -> None:
    def unavailable(objects: list[Object]) -> None:
        condition = {"type": "Available", "status": "False", "reason": "MissingEndpoints", "message": "none"}
        named(objects, "APIService", "v1beta1.metrics.k8s.io")["status"] = {"conditions": [condition]}

    with site(tmp_path, stream=True, change=unavailable) as opened:
        words = "the server is currently unable to handle the request (get nodes.metrics.k8s.io)"
        opened.cluster.server.faults.add("GET /apis/metrics.k8s.io/", status=503, message=words)
        exit_code, found = traced(opened, "top", "edge1")
    assert (exit_code, found["broken"], found["code"]) == (1, "apiservice", "KE605"), found["summary"]
    assert states(found)["top"] == "broken"
