"""The lab's API server under the clients that people use: the Python client and kubectl."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiserver import REFUSED, ApiServer, State, Unreachable, add_edge_nodes
from apiserver.equivalent import objects, prepare
from apiserver.fixtures import TOKEN, certificates, running
from kubernetes import client, config
from kubernetes import watch as watching
from kubernetes.stream import stream as streaming

pytestmark = pytest.mark.lab
# The client's own types are incomplete.
load: Any = config.new_client_from_config
stream: Any = streaming
Watch: Any = watching.Watch
CoreApi: Any = client.CoreV1Api


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with running(objects()) as started:
        prepare(started)
        yield started


@pytest.fixture
def kubeconfig(server: ApiServer, tmp_path: Path) -> Path:
    return server.kubeconfig(tmp_path / "kubeconfig", certificates()[1], TOKEN)


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[Any]:
    with load(str(kubeconfig)) as opened:
        yield opened


def test_python_client_reads_page_by_page(server: ApiServer, api: Any) -> None:
    add_edge_nodes(server.store, 7)
    core = CoreApi(api)
    found: list[str] = []
    page = core.list_node(limit=4)
    while True:
        found += [node.metadata.name for node in page.items]
        token = page.metadata._continue
        if not token:
            break
        page = core.list_node(limit=4, _continue=token)
    assert found == sorted({"cloud", "edge1", "edge2"} | {f"edge-{number:05}" for number in range(1, 8)})


def test_python_client_runs_commands(api: Any) -> None:
    core = CoreApi(api)

    def run(*command: str) -> Any:
        session = stream(
            core.connect_get_namespaced_pod_exec,
            "web",
            "default",
            command=list(command),
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        session.run_forever(timeout=5)
        session.sock.shutdown()  # close() leaves the socket open once the server has said goodbye
        return session

    echoed = run("echo", "nonce-1")
    assert (echoed.read_stdout(), echoed.returncode) == ("nonce-1\n", 0)
    assert run("sh", "-c", "exit 7").returncode == 7


def test_python_client_reads_logs_and_watches(api: Any) -> None:
    core = CoreApi(api)
    log = core.read_namespaced_pod_log("web", "default", tail_lines=1)
    assert log == "hello from edge1 line 192\n"
    events = list(Watch().stream(core.list_namespaced_config_map, "kubeedge", timeout_seconds=1))
    assert [event["object"].metadata.name for event in events] == ["cloudcore", "tunnelport"]


def test_python_client_meets_a_conflict_as_its_own_exception(api: Any) -> None:
    core = CoreApi(api)
    body = {"metadata": {"resourceVersion": "1"}, "data": {"a": "b"}}
    with pytest.raises(client.ApiException) as refused:
        core.patch_namespaced_config_map("tunnelport", "kubeedge", body)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")


needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="optional: kubectl is not installed"
)


def kubectl(kubeconfig: Path, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """Exit code and everything printed."""
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
    done = subprocess.run(
        ["kubectl", *arguments],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@needs_kubectl
def test_kubectl_works_on_a_healthy_path(kubeconfig: Path) -> None:
    assert kubectl(kubeconfig, "logs", "web", "--tail=1") == (0, "hello from edge1 line 192\n")
    assert kubectl(kubeconfig, "exec", "web", "--", "hostname") == (0, "edge1\n")
    assert kubectl(kubeconfig, "exec", "web", "--", "sh", "-c", "exit 7")[0] == 7
    assert "edge1" in kubectl(kubeconfig, "top", "nodes")[1]


POST = 'error: Internal error occurred: error sending request: Post "https://10.99.0.2:10351/exec/default/web/web'
POST += '?command=hostname&error=1&output=1": '
DIALLED = "dial tcp 10.99.0.2:10351: connect: connection refused"
UNREACHED = (
    f'Error from server: Get "https://10.99.0.2:10351/containerLogs/default/web/web?tailLines=3": {DIALLED}\n'
)
# What kubectl printed on the recorded sites: testbed.md, kubectl.txt of the recordings.
BROKEN: dict[str, tuple[State | Unreachable, tuple[int, str], str]] = {
    "dead session": (State.DEAD, (0, ""), f"{POST}unexpected EOF\n"),
    "no session": (
        State.NO_SESSION,
        (1, "Error from server (InternalError): Internal error occurred: \n"),
        "error: error stream protocol error: unknown error\n",
    ),
    "refused": (REFUSED, (1, UNREACHED), f"{POST}{DIALLED}\n"),
}


@needs_kubectl
@pytest.mark.parametrize("case", BROKEN)
def test_kubectl_says_what_it_said_on_the_broken_site(server: ApiServer, kubeconfig: Path, case: str) -> None:
    state, log, executed = BROKEN[case]
    server.edge.states["edge1"] = state
    assert kubectl(kubeconfig, "logs", "web", "--tail=3") == log
    assert kubectl(kubeconfig, "exec", "web", "--", "hostname") == (1, executed)


@needs_kubectl
def test_kubectl_applies_and_edits(kubeconfig: Path) -> None:
    text = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"z"},"data":{"a":"5"}}'
    assert kubectl(kubeconfig, "apply", "-f", "-", stdin=text) == (0, "configmap/z created\n")
    text = text.replace("5", "6")
    assert kubectl(kubeconfig, "apply", "-f", "-", stdin=text) == (0, "configmap/z configured\n")
    code, said = kubectl(kubeconfig, "apply", "--server-side", "-f", "-", stdin=text.replace("6", "7"))
    assert code == 1
    assert 'conflict with "kubectl-client-side-apply" using v1: .data.a' in said
    restart = ("rollout", "restart", "deployment", "metrics-server", "-n", "kube-system")
    assert kubectl(kubeconfig, *restart) == (0, "deployment.apps/metrics-server restarted\n")
    code, said = kubectl(kubeconfig, "apply", "-f", "-", stdin=text.replace('"data"', '"dta"'))
    assert code == 1
    assert 'unknown field \\"dta\\"' in said or 'unknown field "dta"' in said
