"""``kedoctor install edge`` on a bare host: from nothing to green, killed at every step, refused before a change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from edge_site import BOOTSTRAP, CONFIG
from install_site import ARCHITECTURE, TOKEN_FILE, BareHost, bare_host, image, make_bundle, obstacle
from systemd_machine import ENVIRONMENT, needs_machine

from kedoctor.pki.certificates import make_ca
from kedoctor.yaml.document import load

pytestmark = [
    pytest.mark.lab,
    needs_machine,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "can install"),
]

# What is done in each step, as it is told when it begins; the process is killed just then.
MOMENTS = (
    "program /usr/local/bin/runc",
    "file /etc/containerd/config.toml",
    "enable --now containerd.service",
    "file /etc/cni/net.d/10-kubeedge-bridge.conflist",
    "image docker.io/library/eclipse-mosquitto:1.6.15",
    "program /usr/local/bin/keadm",
    "run keadm join",
)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the good bundle; tests put broken ones beside it."""
    place = tmp_path_factory.mktemp("bundles")
    make_bundle(place / "good")
    return place


@pytest.fixture(scope="module")
def host(bundles: Path) -> Iterator[BareHost]:
    with bare_host(bundles) as made:
        yield made


@pytest.fixture
def bare(host: BareHost) -> BareHost:
    host.bare()
    return host


def broken(bundles: Path, name: str) -> Path:
    """A copy of the good bundle that may be broken: files are links until they are replaced."""
    place = bundles / name
    shutil.copytree(bundles / "good", place, copy_function=os.link)
    return place


def put(place: Path, data: bytes) -> None:
    place.unlink(missing_ok=True)
    place.write_bytes(data)


def killed(host: BareHost, bundle: Path, moment: str) -> str:
    """What the install had said when it was killed with SIGKILL at that moment."""
    argv = ["nsenter", f"--target={host.machine.leader}", "--all", "--", "env", "KEDOCTOR_PATIENCE=0.2"]
    argv += [sys.executable, "-P", "-m", "kedoctor", "install", "edge", *host.arguments(bundle, "--yes")]
    said = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("  … ") and moment in line:
                host.kill_installs()
                break
        else:
            pytest.fail(f"it never came to {moment}:\n{''.join(said)}")
    return "".join(said)


def finished(host: BareHost, bundle: Path, *more: str) -> str:
    ran = host.install(bundle, "--yes", *more)
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}\n{host.journal()}"
    assert "Every step is done" in ran.stdout
    return ran.stdout


# ---------------------------------------------------------------------------------------------- installing


def test_from_a_bare_host_to_an_edge_and_a_second_run_changes_nothing(bare: BareHost, bundles: Path) -> None:
    before = bare.everything()
    dry = bare.install(bundles / "good", "--dry-run")
    assert dry.returncode == 0, dry.stdout
    assert "would be done" in dry.stdout
    assert dry.stdout.rstrip().endswith("Nothing was changed: this was a dry run.")
    assert bare.everything() == before
    said = finished(bare, bundles / "good")
    assert "done in" in said
    assert bare.tunnels() == 1
    assert bare.starts() == 1  # the token was there when edgecore first looked
    assert bare.unit()["UnitFileState"] == "enabled"
    assert bare.unit()["NRestarts"] == "0"
    names = bare.machine.shell("ctr -n k8s.io images ls -q").split()
    assert [name for name in names if not name.startswith("sha256:")] == [
        "docker.io/kubeedge/edgemesh-agent:v1.17.0",
        "docker.io/kubeedge/installation-package:v1.22.0",
        "docker.io/kubeedge/pause:3.6",
        "docker.io/library/busybox:1.36",
        "docker.io/library/eclipse-mosquitto:1.6.15",
    ]
    assert not bare.machine.path("/run/bundle-script-was-run").exists()
    config = load(bare.text()).data["modules"]
    assert config["edgeStream"]["enable"] is True
    assert config["edgeStream"]["server"] == "10.99.0.1:10004"  # not a loopback address (kubeprepare.md §0.3)
    assert config["edgeHub"]["token"] == ""
    after = bare.everything()
    again = finished(bare, bundles / "good")
    assert "Nothing to change: every step is done." in again
    assert bare.everything() == after
    assert bare.starts() == 1
    the_token_is_nowhere(bare, said)
    going_back_ends_where_keadm_took_over(bare)


def the_token_is_nowhere(bare: BareHost, said: str) -> None:
    secret = bare.token.split(".")[2]
    assert secret not in said
    found = bare.machine.shell(
        f"grep -rlF -e {secret} /etc /var/lib/kedoctor /var/log /run/keadm-calls /root 2>/dev/null || true"
    ).split()
    assert set(found) <= {TOKEN_FILE, "/etc/standin/cloud/token"}
    assert secret not in bare.machine.shell("journalctl --no-pager")
    assert not bare.machine.path(BOOTSTRAP).exists()


def going_back_ends_where_keadm_took_over(bare: BareHost) -> None:
    latest = bare.machine.kedoctor("rollback")
    assert latest.returncode == 4
    assert "keadm join has taken over" in latest.stderr
    assert "sudo keadm reset edge" in latest.stderr
    first = bare.machine.kedoctor("rollback", "--list").stdout.splitlines()[-1].split()[0]
    assert "depends on it" in bare.machine.kedoctor("rollback", first).stderr
    assert bare.tunnels() == 1
    bare.machine.shell(  # as keadm reset does
        "systemctl disable --now edgecore; rm -rf /etc/kubeedge /etc/systemd/system/edgecore.service /usr/local/bin/edgecore;"
        "systemctl daemon-reload"
    )
    for _ in range(7):
        back = bare.machine.kedoctor("rollback")
        assert back.returncode == 0, f"{back.stdout}{back.stderr}"
    left = bare.machine.shell(
        "ls -A /etc/cni/net.d /usr/local/bin /etc/containerd /opt/cni/bin /etc/systemd/system/containerd.service 2>/dev/null || true"
    )
    assert left.split() == ["/etc/cni/net.d:", "/usr/local/bin:", "standin-cloud", "sudo"]


def test_killed_at_every_step_it_goes_on(bare: BareHost, bundles: Path) -> None:
    bundle = bundles / "good"
    bare.machine.write("/etc/standin/keadm-slow", "2")  # so that keadm outlives kedoctor
    for moment in MOMENTS:
        killed(bare, bundle, moment)
    said = finished(bare, bundle)
    assert "An interrupted install had started keadm join" in said
    assert bare.tunnels() == 1
    assert not bare.machine.path(BOOTSTRAP).exists()
    entries = sorted(path.suffix for path in bare.machine.path("/var/lib/kedoctor/journal").glob("2*"))
    assert set(entries) <= {".done", ".undone"}
    assert bare.machine.shell("cat /run/keadm-calls").count("join") == 1
    after = bare.everything()
    assert "Nothing to change: every step is done." in finished(bare, bundle)
    assert bare.everything() == after


def test_what_an_unfinished_join_left_is_moved_aside(bare: BareHost, bundles: Path) -> None:
    bare.machine.write(BOOTSTRAP, bare.token, mode=0o600)
    bare.machine.shell("mkdir -p /etc/kubeedge/ca /etc/kubeedge/certs")  # as installers did beforehand
    finished(bare, bundles / "good")
    assert bare.machine.path("/etc/kubeedge.unfinished").is_dir()
    assert bare.tunnels() == 1


def test_an_existing_containerd_stays_and_gets_its_cri_on(bare: BareHost, bundles: Path) -> None:
    machine, good = bare.machine, bundles / "good"
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        machine.copy(good / "bin" / name, f"/usr/bin/{name}")
    machine.copy(good / "runc", "/usr/sbin/runc")
    machine.write("/usr/bin/docker", "#!/bin/sh\necho docker.io/kubeedge/pause:3.6\n", mode=0o755)
    machine.write(
        "/etc/containerd/config.toml",
        '# ours\ndisabled_plugins = ["cri"]\nroot = "/var/lib/containerd"\n',
    )
    machine.unit(
        "containerd.service",
        "[Service]\nType=notify\nExecStart=/usr/bin/containerd\n[Install]\nWantedBy=multi-user.target\n",
    )
    machine.unit("docker.service", "[Service]\nExecStart=/bin/sleep infinity\n")
    machine.run("systemctl", "enable", "--now", "containerd", "docker")
    said = finished(bare, good)
    assert "KE969 containerd and runc are installed … already done" in said
    assert not machine.path("/usr/local/bin/containerd").exists()
    text = machine.path("/etc/containerd/config.toml").read_text()
    assert text.startswith('# ours\ndisabled_plugins = []\nroot = "/var/lib/containerd"\n')
    assert 'sandbox_image = "docker.io/kubeedge/pause:3.6"' in text
    assert bare.tunnels() == 1


def test_a_tool_that_fails_is_told_and_the_same_command_goes_on(bare: BareHost, bundles: Path) -> None:
    cloud = bare.machine.path("/etc/standin/cloud/token")
    cloud.write_text(bare.join_token(timedelta(hours=3)))  # cloudcore has renewed its token meanwhile
    try:
        ran = bare.install(bundles / "good", "--yes")
    finally:
        cloud.write_text(bare.token)
    assert ran.returncode == 4
    assert "keadm join ended with exit code 1" in ran.stdout
    assert "timed out waiting for the condition" in ran.stdout
    assert "What keadm join has done stays" in ran.stdout
    assert (
        "edge1 has not joined: there is no certificate." in ran.stdout
    )  # what keadm has made is not called missing
    said = finished(bare, bundles / "good")
    assert "move /etc/kubeedge aside" in said
    assert bare.tunnels() == 1


# ----------------------------------------------------------------------------------- nothing was changed


def refused(host: BareHost, bundle: Path, *more: str, code: int = 1, **named: str) -> str:
    """What an install says that stops before it changes anything."""
    before = host.everything()
    ran = host.install(bundle, "--yes", *more, **named)
    assert ran.returncode == code, f"{ran.stdout}{ran.stderr}"
    assert "Nothing was changed" in ran.stdout
    assert host.everything() == before
    assert not host.machine.path("/usr/local/bin/keadm").exists()
    return ran.stdout


def test_a_broken_bundle_is_named_before_anything_is_changed(bare: BareHost, bundles: Path) -> None:
    cut = broken(bundles, "cut")
    name = "images/kubeedge-installation-package-v1.22.0.tar"
    put(cut / name, (bundles / "good" / name).read_bytes()[:3000])
    said = refused(bare, cut)
    assert f"{name} cannot be imported: it is truncated" in said
    other = broken(bundles, "other")
    foreign = "arm64" if ARCHITECTURE == "amd64" else "amd64"
    put(other / "images/kubeedge-pause-3.6.tar", image("kubeedge/pause:3.6", foreign))
    said = refused(bare, other)
    assert f"holds it for {foreign}, not for {ARCHITECTURE}" in said
    lacking = broken(bundles, "lacking")
    (lacking / "images/kubeedge-pause-3.6.tar").unlink()
    said = refused(bare, lacking)
    assert "the image docker.io/kubeedge/pause:3.6 is missing" in said
    (broken(bundles, "no-ctr") / "bin/ctr").unlink()
    assert "the program ctr" in refused(bare, bundles / "no-ctr")


def test_a_cloud_that_does_not_answer_or_is_another_one(bare: BareHost, bundles: Path) -> None:
    good, machine = bundles / "good", bare.machine
    said = refused(bare, good, cloud="10.99.0.77")
    for port in (10000, 10002, 10004):
        assert f"10.99.0.77:{port}" in said
    assert "KE966 The join token is this cloud's and still valid … undetermined" in said
    machine.shell("ip netns exec cloud ip link set lo up; systemctl stop standin-cloud")
    try:
        assert (
            "10.99.0.1:10004 (the tunnel of logs and exec) cannot be reached: nothing listens there"
            in refused(bare, good)
        )
    finally:
        machine.run("systemctl", "start", "standin-cloud")
        bare.until(lambda: ":10002" in machine.shell("ip netns exec cloud ss -Htln"))
    assert "127.0.0.1 is this host itself" in refused(bare, good, cloud="127.0.0.1")


def test_a_token_that_cannot_be_used(bare: BareHost, bundles: Path) -> None:
    stranger = make_ca("KubeEdge", bare.born - timedelta(days=1), 365)
    own, bare.ca = bare.ca, stranger
    other = bare.join_token()
    bare.ca = own
    for token, why in (
        ("default-token-1700000000", "not a join token (wrong format)"),
        (other, "it was made for the CA"),
        (bare.join_token(timedelta(hours=-1)), "it expired on"),
    ):
        bare.machine.write(TOKEN_FILE, token, mode=0o600)
        said = refused(bare, bundles / "good")
        assert why in said
        assert token.split(".")[-1] not in said or token.startswith("default")
    bare.machine.write(TOKEN_FILE, b"")
    assert bare.install(bundles / "good").returncode == 64


def test_a_host_that_is_something_else_already(bare: BareHost, bundles: Path) -> None:
    good, machine = bundles / "good", bare.machine
    machine.write(
        CONFIG,
        "modules:\n  edgeHub: {websocket: {server: 10.9.9.9:10000}}\n  edged: {hostnameOverride: shop7}\n",
    )
    assert "joins this host as node shop7, not as edge1" in refused(bare, good)
    machine.shell("rm -rf /etc/kubeedge; cp /bin/sleep /usr/local/bin/kubelet")
    machine.shell("systemd-run --unit=kubelet-there /usr/local/bin/kubelet 600")
    try:
        assert "A kubelet (pid" in refused(bare, good)
    finally:
        machine.shell("systemctl stop kubelet-there; rm /usr/local/bin/kubelet")


def test_names_ranges_and_a_missing_sudo(bare: BareHost, bundles: Path) -> None:
    good, machine = bundles / "good", bare.machine
    assert "Edge_1 cannot be the name of a node" in refused(bare, good, node="Edge_1")
    assert "overlaps 10.99.0.0/24, which is edge0's" in refused(bare, good, "--pod-cidr", "10.99.0.0/16")
    assert "the cluster's pods (--cluster-cidr)" in refused(bare, good, "--pod-cidr", "10.42.9.0/24")
    machine.shell("mv /usr/local/bin/sudo /root/sudo")
    try:
        assert "sudo is not installed" in refused(bare, good)
    finally:
        machine.shell("mv /root/sudo /usr/local/bin/sudo")


def test_without_a_terminal_and_without_yes_nothing_is_done(bare: BareHost, bundles: Path) -> None:
    before = bare.everything()
    ran = bare.install(bundles / "good")
    assert ran.returncode == 4
    assert "there is no terminal to ask at" in ran.stdout
    assert bare.everything() == before
