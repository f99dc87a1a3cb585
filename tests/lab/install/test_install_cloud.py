"""``kedoctor install cloud`` on an empty Debian: to a running cloud side, through kills, twice, and not at all.

K3s and keadm are stand-ins that check their arguments and files and do what the real ones do; containerd and ctr are
the real ones, systemd too (k3s_standin.py, keadm_init_standin.py).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud_bundle import (
    ADDRESS,
    ARCHITECTURE,
    BUNDLE,
    K3S_IMAGES,
    KUBEEDGE_IMAGES,
    archive,
    cloud_host,
)
from host_unchanged import host_unchanged
from systemd_machine import ENVIRONMENT, Machine, needs_machine

from kedoctor.changes.journal import Journal, Phase
from kedoctor.yaml.document import load

pytestmark = [pytest.mark.lab, needs_machine]

INSTALL = ("install", "cloud", "--bundle", BUNDLE, "--lang", "en", "--advertise-address")
# What the cluster writes while it runs, and kedoctor's lock, are no changes of an install.
ASIDE = "! -name lock ! -path '*/server/db/*' ! -path '*/agent/containerd/*' ! -path '*/lab-cloudcore/*'"
PLACES = "/usr/local/bin /etc/systemd/system /etc/rancher /var/lib/rancher /etc/kubeedge /opt/cni /var/lib/kedoctor/journal"
TOKEN = re.compile(r"\b[0-9a-f]{64}\.[\w-]+\.[\w-]+\.[\w-]+")


class Host:
    """The cloud host of one test, and kedoctor run on it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def install(self, *more: str, address: str = ADDRESS) -> subprocess.CompletedProcess[str]:
        ran = self.machine.kedoctor(*INSTALL, address, "--yes", *more, timeout=180)
        assert "Traceback" not in ran.stderr + ran.stdout, ran.stderr + ran.stdout
        return ran

    def files(self) -> str:
        """Every file an install could have touched, with its mode and content."""
        script = f"for d in {PLACES}; do [ -e $d ] && find $d -type f {ASIDE} -printf '%p %m ' -exec sha256sum {{}} ';'; done | sort"
        return self.machine.shell(script, check=False)

    def restart_k3s(self) -> None:
        """Restarts K3s and waits until its node is Ready again."""
        self.machine.run("systemctl", "restart", "k3s", timeout=60)
        self.machine.shell(
            "until grep -q KubeletReady /var/lib/rancher/k3s/server/db/state.json; do sleep 0.1; done; sleep 1.5"
        )

    def objects(self, kind: str, *words: str) -> list[dict[str, object]]:
        """Objects of the cluster as the stand-in keeps them."""
        state = json.loads(self.machine.path("/var/lib/rancher/k3s/server/db/state.json").read_text())
        return [
            one
            for one in state
            if one["kind"] == kind and one["metadata"]["name"] in (words or (one["metadata"]["name"],))
        ]

    def images(self) -> set[str]:
        return set(self.machine.run("k3s", "ctr", "-n", "k8s.io", "images", "ls", "-q").stdout.split())

    def keadm_calls(self) -> list[str]:
        path = self.machine.path("/run/lab-keadm-calls")
        return (
            [line for line in path.read_text().splitlines() if line.startswith("init")]
            if path.exists()
            else []
        )

    def entries(self, phase: Phase) -> list[str]:
        """The codes of the journal's entries in that phase."""
        entries = Journal(self.machine.path("/var/lib/kedoctor/journal")).entries()
        return [code for entry in entries if entry.phase is phase for code in entry.manifest.codes]

    def killed_at(self, action: str) -> str:
        """Runs the install and kills it (SIGKILL) when it says that it does that; gives what it had said."""
        argv = [sys.executable, "-P", "-m", "kedoctor", *INSTALL, ADDRESS, "--yes"]
        inside = ["nsenter", f"--target={self.machine.leader}", "--all", "--"]
        running = subprocess.Popen([*inside, *argv], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert running.stdout is not None
        said = ""
        for line in running.stdout:
            said += line
            if line.startswith("  …") and action in line:
                break
        # nsenter waits for its child, which is the one to kill.
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        with running.stdout:
            running.stdout.read()
        assert running.wait(30) != 0, said
        assert action in said, said
        return said


@pytest.fixture(scope="module", autouse=True)
def unchanged() -> Iterator[None]:
    with host_unchanged(without=frozenset({"listening sockets"})):
        yield


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with cloud_host() as machine:
        yield Host(machine)


class TestNothingBegins:
    """Each thing that must hold beforehand, and that nothing at all was changed where it does not."""

    @pytest.fixture(autouse=True)
    def nothing_changed(self, host: Host) -> Iterator[None]:
        before = host.files()
        yield
        assert host.files() == before

    @pytest.mark.parametrize(
        "address", ["999.1.1.1", "cloud.example.org", "127.0.0.1", "0.0.0.0", "fd00::1", ""]
    )
    def test_an_address_that_no_edge_can_dial(self, host: Host, address: str) -> None:
        ran = host.install(address=address)
        assert (ran.returncode, "Nothing was changed: KE951 must pass first" in ran.stdout) == (1, True)
        assert "--advertise-address" in ran.stdout

    def test_a_name_that_no_node_can_have(self, host: Host) -> None:
        ran = host.install("--node-name", "Cloud_1")
        assert ran.returncode == 1
        assert "'Cloud_1' cannot be the name of a node" in ran.stdout

    def test_somebody_who_is_not_root(self, host: Host) -> None:
        argv = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-P", "-m", "kedoctor"]
        ran = host.machine.run(*argv, *INSTALL, ADDRESS, "--yes", check=False)
        assert ran.returncode != 0

    def test_a_port_that_somebody_else_has(self, host: Host) -> None:
        stranger = "import socket, time; s = socket.create_server(('0.0.0.0', 10004)); time.sleep(60)"
        host.machine.unit("stranger.service", f'[Service]\nExecStart={sys.executable} -c "{stranger}"\n')
        host.machine.shell("systemctl start stranger; until ss -tln | grep -q :10004; do sleep 0.1; done")
        try:
            ran = host.install()
        finally:
            host.machine.shell(
                "systemctl stop stranger; rm /etc/systemd/system/stranger.service; systemctl daemon-reload"
            )
        assert ran.returncode == 1
        assert re.search(r"python\S* \(pid \d+\) listens on 10004, which cloudcore needs", ran.stdout)

    def test_no_default_route(self, host: Host) -> None:
        host.machine.run("ip", "route", "del", "default")
        try:
            ran = host.install()
        finally:
            host.machine.run("ip", "route", "add", "default", "via", "10.99.0.254")
        assert (ran.returncode, "no IPv4 default route" in ran.stdout) == (1, True)

    def test_a_node_of_another_cluster(self, host: Host) -> None:
        host.machine.unit("k3s-agent.service", "[Service]\nExecStart=/bin/sleep 1000\n")
        try:
            ran = host.install()
        finally:
            host.machine.shell("rm /etc/systemd/system/k3s-agent.service; systemctl daemon-reload")
        assert (ran.returncode, "whose servers are elsewhere" in ran.stdout) == (1, True)

    @pytest.mark.parametrize(
        ("name", "content", "told"),
        [
            ("rancher-mirrored-pause-3.6", None, "the image docker.io/rancher/mirrored-pause:3.6 is missing"),
            ("kubeedge-cloudcore-v1.22.0", "cut", "cannot be imported"),
            ("kubeedge-cloudcore-v1.22.0", "other", "not for"),
        ],
    )
    def test_a_bundle_that_is_not_enough(self, host: Host, name: str, content: str | None, told: str) -> None:
        place = f"{BUNDLE}/images/docker.io-{name}.tar"
        whole = host.machine.path(place).read_bytes()
        other = {"amd64": "arm64", "arm64": "amd64"}[ARCHITECTURE]
        if content is None:
            host.machine.path(place).unlink()
        else:
            changed = whole[: len(whole) // 2] if content == "cut" else archive(KUBEEDGE_IMAGES[0], other)
            host.machine.write(place, changed)
        try:
            ran = host.install()
        finally:
            host.machine.write(place, whole)
        assert ran.returncode == 1, ran.stdout
        assert "Nothing was changed: KE952 must pass first" in ran.stdout
        assert told in ran.stdout

    def test_a_dry_run(self, host: Host) -> None:
        ran = host.machine.kedoctor(*INSTALL, ADDRESS, "--dry-run")
        assert ran.returncode == 0, ran.stdout
        assert "egress-selector-mode" not in ran.stdout  # it depends on the unit, which is not there yet
        assert "/usr/local/bin/k3s" in ran.stdout

    def test_nobody_agrees(self, host: Host) -> None:
        ran = host.machine.kedoctor(*INSTALL, ADDRESS)
        assert ran.returncode == 4
        assert "Every step is done" not in ran.stdout


class TestInstall:
    """From nothing to a running cloud side, killed at every step on the way, and then again."""

    KILLS = (
        ("program /usr/local/bin/k3s", "KE955"),
        ("mirrored-coredns", "KE956"),
        ("/etc/systemd/system/k3s.service", "KE957"),
        ("90-kedoctor-egress.yaml", "KE958"),
        ("systemctl enable --now k3s", "KE959"),
        ("program /usr/local/bin/keadm", "KE980"),
        ("run keadm init", "KE981"),
        ("object /api/v1/nodes/cloud", "KE982"),
        ("deployments/metrics-server", "KE603"),
    )

    def test_killed_at_every_step_and_resumed(self, host: Host) -> None:
        for action, code in self.KILLS:
            host.killed_at(action)
            assert set(host.entries(Phase.OPEN)) <= {code}, action
        ran = host.install()
        assert ran.returncode == 0, ran.stdout
        assert host.entries(Phase.OPEN) == []
        assert len(host.keadm_calls()) == 1
        assert not host.machine.path("/run/user-script-was-run").exists()

    def test_what_was_installed(self, host: Host) -> None:
        """Settings, images, modes: what the user's scripts got wrong (kubeprepare.md §5)."""
        fragments = {
            path.name: load(path.read_bytes()).data
            for path in host.machine.path("/etc/rancher/k3s/config.yaml.d").glob("*.yaml")
        }
        assert fragments == {
            "80-kedoctor-install.yaml": {
                "node-name": "cloud",
                "tls-san+": [ADDRESS],
                "write-kubeconfig-mode": "0600",
                "advertise-address": ADDRESS,
            },
            "90-kedoctor-egress.yaml": {"egress-selector-mode": "disabled"},
            "90-kedoctor-kubelet-ca.yaml": {"kube-apiserver-arg+": ["kubelet-certificate-authority="]},
        }
        assert set(K3S_IMAGES) | set(KUBEEDGE_IMAGES) <= host.images()
        kubeconfig = host.machine.path("/etc/rancher/k3s/k3s.yaml")
        assert kubeconfig.stat().st_mode & 0o777 == 0o600
        (node,) = host.objects("Node")
        assert node["metadata"]["labels"]["svccontroller.k3s.cattle.io/enablelb"] == "true"  # type: ignore[index]

    def test_cloudcores_document_is_whole(self, host: Host) -> None:
        """Its settings are set by key: nothing of the chart's document is lost (B16)."""
        (config,) = host.objects("ConfigMap", "cloudcore")
        modules = load(config["data"]["cloudcore.yaml"]).data["modules"]  # type: ignore[index]
        assert modules["iptablesManager"] == {"enable": True, "mode": "external"}
        assert modules["cloudStream"]["enable"] is True
        assert modules["dynamicController"]["enable"] is True
        assert modules["cloudHub"]["advertiseAddress"] == [ADDRESS]

    def test_the_second_run_changes_nothing(self, host: Host) -> None:
        before, calls = host.files(), host.keadm_calls()
        ran = host.install()
        assert ran.returncode == 0, ran.stdout
        assert "Nothing to change: every step is done." in ran.stdout
        assert (host.files(), host.keadm_calls()) == (before, calls)
        (server,) = host.objects("Deployment", "metrics-server")
        args = server["spec"]["template"]["spec"]["containers"][0]["args"]  # type: ignore[index]
        assert args.count("--kubelet-insecure-tls") == 1  # B19

    def test_metrics_servers_arguments_outlive_k3s_restart(self, host: Host) -> None:
        """K3s writes its add-ons anew at every start; what was set stays (B49)."""
        host.restart_k3s()
        ran = host.install()
        assert (ran.returncode, "Nothing was changed" in ran.stdout) == (0, True), ran.stdout

    def test_the_token_is_shown_once_and_kept_nowhere(self, host: Host) -> None:
        ran = host.install()
        shown = TOKEN.findall(ran.stdout)
        assert len(shown) == 1
        (secret,) = host.objects("Secret", "tokensecret")
        assert shown[0].split(".")[3]
        kept = host.machine.shell(
            f"grep -rlF '{shown[0][:80]}' /var/lib/kedoctor /var/log /etc /root /run/lab* || true"
        )
        assert kept == ""
        assert (
            host.machine.shell(f"journalctl --no-pager | grep -cF '{shown[0][:80]}' || true").strip() == "0"
        )
        assert secret["data"]  # type: ignore[index]

    def test_an_image_that_was_cleaned_up_comes_back(self, host: Host) -> None:
        name = "docker.io/rancher/klipper-lb:v0.4.13"
        host.machine.run("k3s", "ctr", "-n", "k8s.io", "images", "rm", name)
        ran = host.install()
        assert ran.returncode == 0, ran.stdout
        assert name in host.images()

    def test_settings_of_a_k3s_that_runs_are_put_right(self, host: Host) -> None:
        """Somebody took the fragment away: it is written again and K3s restarted, and nothing else is touched."""
        host.machine.path("/etc/rancher/k3s/config.yaml.d/90-kedoctor-egress.yaml").unlink()
        host.restart_k3s()
        ran = host.install()
        assert ran.returncode == 0, ran.stdout
        assert "restart of k3s" in ran.stdout or "restart k3s" in ran.stdout
        assert len(host.keadm_calls()) == 1

    def test_rollback_goes_back_to_where_keadm_took_over(self, host: Host) -> None:
        """What came after keadm is rolled back; then it is said what stays and how a person undoes it."""
        said = ""
        for _ in range(8):
            ran = host.machine.kedoctor("rollback")
            said = ran.stdout + ran.stderr
            if ran.returncode:
                break
        assert "keadm" in said
        assert "sudo keadm reset cloud" in said
        (node,) = host.objects("Node")
        assert "svccontroller.k3s.cattle.io/enablelb" not in node["metadata"]["labels"]  # type: ignore[index]
        assert host.machine.path("/usr/local/bin/keadm").exists()


class TestKeadmFails:
    """What keadm says when it fails ends the install, and the next one goes on from there (B20, B28)."""

    def test_a_release_that_was_left_half_made(self, host: Host) -> None:
        state = host.machine.path("/var/lib/rancher/k3s/server/db/state.json")
        host.machine.run("systemctl", "stop", "k3s", timeout=60)
        kept = [
            one for one in json.loads(state.read_text()) if one["metadata"].get("namespace") != "kubeedge"
        ]
        state.write_text(json.dumps(kept))
        host.machine.write("/run/lab-keadm-fails", "")
        host.machine.run("systemctl", "start", "k3s", timeout=60)
        ran = host.install()
        assert ran.returncode == 4, ran.stdout
        assert "keadm init ended with exit code 1" in ran.stdout
        assert "context deadline exceeded" in ran.stdout
        assert TOKEN.search(ran.stdout) is None
        again = host.install()
        assert again.returncode == 0, again.stdout
        assert TOKEN.search(again.stdout) is not None
