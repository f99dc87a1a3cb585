"""``kedoctor trace`` on the API server's host and on the edge: each hop broken in turn, over real rules and connections."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dnat_site import CLOUD, CLUSTER_IP, EDGE, PORT
from host_unchanged import host_unchanged
from netns import BACKENDS, Backend, missing
from trace_site import PLAIN, TraceSite, states, trace_site

_MISSING = missing() or missing("nft", "iptables-nft-save", "iptables-legacy-save")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

YAML = """\
apiVersion: edgecore.config.kubeedge.io/v1alpha2
kind: EdgeCore
modules:
  edged:
    hostnameOverride: edge1
    tailoredKubeletConfig:
      containerRuntimeEndpoint: unix:///run/lab-containerd.sock
  edgeStream:
    enable: true
    server: 10.99.0.1:10004
"""

Change = Callable[[TraceSite], None]


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with host_unchanged():
        yield


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TraceSite]:
    with trace_site(tmp_path_factory.mktemp("trace")) as site:
        yield site


@pytest.fixture
def site(module_site: TraceSite) -> Iterator[TraceSite]:
    before = module_site.tunnels()
    yield module_site
    assert module_site.tunnels() == before, "the session of the edge was touched"
    assert before[1]
    module_site.reset()


def tell(**said: object) -> Change:
    return lambda site: site.tell(**said)


def mood(word: str) -> Change:
    return lambda site: site.mood(word)


def leads_to(target: str) -> Change:
    def change(site: TraceSite) -> None:
        site.reset()
        site.rule(to=target)

    return change


def no_rule(site: TraceSite) -> None:
    site.reset()


# What is broken: the step that finds it, its place on the path, and the check that decides.
FAULTS: dict[str, tuple[Change, str, str, str]] = {
    "the node still has edged's port": (tell(ports={"edge1": 10350}), "address", "address", "KE301"),
    "the node has no port": (tell(ports={"edge1": 0}), "address", "address", "KE301"),
    "the node has a port of an older cloudcore": (
        tell(ports={"edge1": 10399}),
        "address",
        "address",
        "KE301",
    ),
    "no rule": (no_rule, "nat", "diversion", "KE303"),
    "a rule to a closed port": (leads_to(f"{CLOUD}:9999"), "nat", "diversion", "KE304"),
    "a rule to an address that is not there": (leads_to("10.99.0.77:10003"), "nat", "diversion", "KE304"),
    "a rule to a ClusterIP": (leads_to(f"{CLUSTER_IP}:10003"), "nat", "diversion", "KE304"),
    "TLS that wants a client certificate": (leads_to(f"{CLOUD}:10000"), "nat", "diversion", "KE304"),
    "TLS of another server": (leads_to(f"{CLOUD}:10002"), "nat", "diversion", "KE304"),
    "a stream server that takes connections and says nothing": (mood("mute"), "session", "stream", "KE508"),
    "no session": (mood("no-session"), "session", "session", "KE508"),
    "a dead session": (mood("dead"), "session", "session", "KE508"),
    "edged down, or a half-open tunnel": (mood("hangs"), "session", "tunnel", "KE508"),
}


# exec fails in ways of its own where something answers; where nothing does, the words are those of logs.
BOTH = ("no rule", "no session", "a dead session", "edged down, or a half-open tunnel")


@pytest.mark.parametrize(
    ("fault", "capability"), [*((fault, "logs") for fault in FAULTS), *((fault, "exec") for fault in BOTH)]
)
def test_each_hop_broken_in_turn(site: TraceSite, fault: str, capability: str) -> None:
    change, step, hop, code = FAULTS[fault]
    site.rule()
    change(site)
    exit_code, found = site.traced(capability, "default/web")
    assert (found["broken"], found["broken_hop"], found["code"]) == (step, hop, code), found["summary"]
    assert exit_code == 1
    assert found["works"] is False
    assert states(found)[capability] == "broken"
    assert found["next"][0] == f"kedoctor explain {code}"
    assert found["next"][1].startswith("sudo kedoctor run --fix")
    before = [one["name"] for one in found["hops"] if one["state"] == "broken"]
    assert before[0] == step or (step, before[0]) == ("nat", "answer"), before


@pytest.mark.parametrize("backend", BACKENDS)
def test_where_everything_works(site: TraceSite, backend: Backend) -> None:
    site.rule(backend)
    for capability in ("logs", "exec"):
        exit_code, found = site.traced(capability, "default/web")
        unseen = dict.fromkeys(("tunnel", "edged", "runtime"), "not-seen")
        assert {name: state for name, state in states(found).items() if state != "ok"} == unseen
        assert (exit_code, found["works"], found["broken"], found["next"]) == (0, True, "", [])
    seen = {hop["name"]: hop["seen"] for hop in found["hops"]}
    assert f"dials {EDGE}:{PORT}" in seen["address"]
    assert "issuer OU=Testing CA" in seen["answer"]
    assert (
        f"goes to {CLOUD}:10003, by a hand-made rule (iptables-{backend}, chain OUTPUT, rule 1)"
        in seen["nat"]
    )
    assert "stats of edge1 come by edge1 and 10.99.0.2" in seen["session"]


def test_a_node_is_traced_by_a_pod_of_its_own(site: TraceSite) -> None:
    site.rule()
    exit_code, found = site.traced("exec", "edge1")
    assert exit_code == 0
    assert "echo ran in default/web" in {hop["name"]: hop["seen"] for hop in found["hops"]}["exec"]


def test_attach_listens_to_what_is_written(site: TraceSite) -> None:
    site.rule()
    exit_code, silent = site.traced("attach", "default/web")
    assert (exit_code, silent["works"], states(silent)["attach"]) == (3, None, "unknown")
    site.tell(writes=True)
    exit_code, found = site.traced("attach", "default/web")
    site.tell(writes=False)
    assert (exit_code, found["works"]) == (0, True)
    site.mood("dead")
    exit_code, found = site.traced("attach", "default/web")
    assert (exit_code, found["broken_hop"], states(found)["attach"]) == (1, "session", "broken")


@pytest.mark.parametrize(
    ("text", "hop", "code"),
    [
        ("Debug endpoints are disabled.\n", "edged", "KE206"),
        ("unable to retrieve container logs for containerd://5f0e1c\n", "runtime", "KE706"),
        ('pod "web" does not exist\n', "edged", ""),
    ],
)
def test_an_error_text_that_poses_as_a_log(site: TraceSite, text: str, hop: str, code: str) -> None:
    site.rule()
    site.tell(log=text)
    exit_code, found = site.traced("logs", "default/web")
    assert (exit_code, found["broken"], found["broken_hop"], found["code"]) == (1, "logs", hop, code)
    assert states(found)["node-proxy"] == "ok"
    assert text.strip() in found["summary"]


def test_a_container_that_wrote_nothing_is_no_dead_session(site: TraceSite) -> None:
    site.rule()
    site.tell(log="")
    exit_code, found = site.traced("logs", "default/web")
    assert (exit_code, found["works"], found["broken"]) == (3, None, "")
    assert states(found)["logs"] == "unknown"


def test_a_session_that_is_known_by_name_only(site: TraceSite) -> None:
    """Logs find the session by name, ``top`` by the address: one works, the other does not (facts.md §3.5)."""
    site.rule()
    site.mood("by-name")
    exit_code, found = site.traced("logs", "default/web")
    assert exit_code == 0
    assert "only kubectl top fails" in {hop["name"]: hop["seen"] for hop in found["hops"]}["session"]
    exit_code, found = site.traced("top", "edge1")
    assert (exit_code, found["broken"], found["broken_hop"]) == (1, "session", "session")


@pytest.mark.parametrize("speaks", ["http", "nothing"])
def test_who_is_there_without_tls(site: TraceSite, speaks: str) -> None:
    site.cloud.start_python(PLAIN, CLOUD, 18080 if speaks == "http" else 18081, speaks)
    site.rule(to=f"{CLOUD}:{18080 if speaks == 'http' else 18081}")
    exit_code, found = site.traced("logs", "default/web")
    assert (exit_code, found["broken_hop"], found["code"]) == (1, "diversion", "KE304")
    words = {"http": "does not speak TLS", "nothing": "takes the connection and then says nothing"}
    assert words[speaks] in {hop["name"]: hop["seen"] for hop in found["hops"]}["answer"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (("nope",), "neither a node nope nor a pod default/nope"),
        (("-n", "default", "proxy"), "not on an edge"),
        (("default/waits",), "on no node yet"),
    ],
)
def test_what_cannot_be_traced(site: TraceSite, target: tuple[str, ...], words: str) -> None:
    done = site.trace("logs", *target, "--format", "json")
    assert (done.returncode, done.stdout) == (64, "")
    assert words in done.stderr


@pytest.mark.parametrize("hangs", ["GET /api/v1/namespaces/default/pods", "GET /version"])
def test_an_api_server_that_hangs(site: TraceSite, hangs: str) -> None:
    site.rule()
    site.tell(hangs=hangs)
    exit_code, found = site.traced("logs", "default/web", wait=60)
    assert exit_code == 3
    assert states(found) == {"api": "unknown"}
    assert "no answer in time" in found["hops"][0]["seen"]


def test_a_request_of_the_api_server_that_hangs_alone(site: TraceSite) -> None:
    site.rule()
    site.tell(hangs="GET .*/log")
    exit_code, found = site.traced("logs", "default/web", wait=60)
    assert (exit_code, found["broken"], found["broken_hop"]) == (1, "logs", "tunnel")
    assert states(found)["node-proxy"] == "ok"


def test_an_api_server_that_is_not_there(site: TraceSite, tmp_path: Path) -> None:
    wrong = json.loads(site.kubeconfig.read_text())
    wrong["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    path = tmp_path / "wrong"
    path.write_text(json.dumps(wrong))
    argv = [sys.executable, "-m", "kedoctor", "trace", "logs", "default/web", "--kubeconfig", str(path)]
    done = site.cloud.run([*argv, "--format", "json"], check=False, timeout=60)
    found = json.loads(done.stdout)
    assert (done.returncode, found["works"], states(found)) == (3, None, {"api": "unknown"})
    assert "connection refused" in found["hops"][0]["seen"]


# ------------------------------------------------------------------------------------- as it is printed


def _started(site: TraceSite, *words: str) -> subprocess.Popen[str]:
    # A test run in the background of a shell would hand on that it ignores the signal.
    argv = ["env", "--default-signal=INT", sys.executable, "-m", "kedoctor", "trace", *words]
    argv += ["--kubeconfig", str(site.kubeconfig)]
    child = subprocess.Popen(
        site.cloud._entering([*argv, "--lang", "en", "--timeout", "60s"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=site.cloud.env,
        text=True,
    )
    site.cloud._children.append(child)
    return child


def _until(child: subprocess.Popen[str], words: str) -> str:
    """What was printed up to these words, which are no end of a line."""
    assert child.stdout is not None
    said = ""
    while not said.endswith(words):
        piece = os.read(child.stdout.fileno(), 1).decode(errors="replace")
        assert piece, said
        said += piece
    return said


def test_each_hop_is_printed_when_it_is_tested_and_ctrl_c_ends_it(site: TraceSite) -> None:
    site.rule()
    site.mood("hangs")
    child = _started(site, "logs", "default/web")
    said = _until(child, "session in cloudcore, at 10003")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4", "5"]
    assert all(" ok " in line and (" ms " in line or " s " in line) for line in lines[1:5]), said
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130, err
    assert "interrupted before there was a result" in out
    assert "Traceback" not in err


def test_ctrl_c_still_gives_one_document(site: TraceSite) -> None:
    site.rule()
    site.mood("hangs")
    child = _started(site, "exec", "default/web", "--format", "json")
    deadline = time.monotonic() + 60
    while not site.hangs and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130, err
    found = json.loads(out)
    assert (found["complete"], found["exit_code"], found["works"]) == (False, 130, None)
    assert [hop["name"] for hop in found["hops"]] == ["api", "address", "answer", "nat"]


# -------------------------------------------------------------------------------------------- on the edge


def _on_edge(
    site: TraceSite, root: Path, *words: str, yaml: str = YAML
) -> tuple[int, dict[str, str], dict[str, object]]:
    config = root / "etc/kubeedge/config/edgecore.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml)
    site.edge.env["HOME"] = str(root)
    exit_code, found = site.traced(*words, "--root", str(root), "--side", "edge", host=site.edge)
    return exit_code, states(found), found


@contextmanager
def _containerd(root: Path) -> Iterator[None]:
    """The socket of a container runtime."""
    path = root / "run/lab-containerd.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        yield
    path.unlink()


def test_the_far_end_is_seen_on_the_edge(site: TraceSite, tmp_path: Path) -> None:
    """Without a kubeconfig, as is usual there: what needs the API is said to be seen elsewhere."""
    elsewhere = ("api", "address", "answer", "nat", "session", "node-proxy", "logs")
    with _containerd(tmp_path):
        exit_code, down, found = _on_edge(site, tmp_path, "logs", "edge1")
        assert {down[name] for name in elsewhere} == {"not-seen"}
        assert (exit_code, found["broken"], found["code"]) == (1, "edged", "KE502"), found["summary"]
        site.edged("serve")
        exit_code, up, found = _on_edge(site, tmp_path, "logs", "edge1")
        assert {name: state for name, state in up.items() if state != "not-seen"} == {
            "tunnel": "ok",
            "edged": "ok",
            "runtime": "ok",
        }
        assert (exit_code, found["works"]) == (3, None)
    exit_code, _, found = _on_edge(site, tmp_path, "logs", "edge1")
    assert (exit_code, found["broken"], found["code"]) == (1, "runtime", "KE706")
    site.edged("silence")


def test_a_tunnel_that_is_switched_off_is_named_on_the_edge(site: TraceSite, tmp_path: Path) -> None:
    yaml = YAML.replace("10004", "10009").replace("enable: true", "enable: false")
    site.edged("serve")
    with _containerd(tmp_path):
        exit_code, _, found = _on_edge(site, tmp_path, "logs", "edge1", yaml=yaml)
    site.edged("silence")
    assert (exit_code, found["broken"], found["code"]) == (1, "tunnel", "KE202"), found["summary"]


def test_another_edge_is_not_known_without_the_api(site: TraceSite, tmp_path: Path) -> None:
    exit_code, seen, found = _on_edge(site, tmp_path, "logs", "edge2")
    assert (exit_code, seen, found["works"]) == (3, {"api": "unknown"}, None)
