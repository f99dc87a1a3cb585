"""The steps of an install of the cloud side, on facts: what stops it, what is kept, what is done (kubeprepare.md §5)."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cloud_samples import MISSING, NOW
from offline_bundles import elf, images
from remedied import planned, verdict_of
from siteworld import both_languages, cluster, made, only

from kedoctor.api import (
    Addresses,
    Clock,
    ControlUnit,
    DeleteObject,
    FileMetadata,
    Host,
    InterfaceAddress,
    NoPlan,
    Plan,
    Process,
    Processes,
    Reason,
    RunProgram,
    Socket,
    Sockets,
    Status,
    Unavailable,
    Unit,
    WriteFile,
)
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, Setting
from kedoctor.checks.facts.cloud.cloud_host import (
    CloudProcesses,
    CloudSockets,
    HostAddresses,
    cloud_processes,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.cluster.tunnel_port import RecordState, TunnelPortRecord
from kedoctor.checks.facts.edge.clock import ClockReading
from kedoctor.checks.install.cloud import fix_k3s, fix_keadm
from kedoctor.checks.install.cloud.facts_helm_release import KeadmRelease, ReleaseState, keadm_release
from kedoctor.checks.install.cloud.facts_installed import (
    Distribution,
    K3sHere,
    KubernetesHere,
    StoredHere,
    kubernetes_here,
)
from kedoctor.checks.install.cloud.facts_join_token import ServedCa, join_offer
from kedoctor.checks.install.cloud.facts_request import CloudBundle, CloudRequest, HostFitness, VerifiedBundle
from kedoctor.checks.install.cloud.host import install_host, install_ports
from kedoctor.checks.install.cloud.join_command import join_command
from kedoctor.checks.install.cloud.k3s import k3s_program
from kedoctor.checks.install.cloud.k3s_settings import k3s_settings, wanted_fragment
from kedoctor.checks.install.cloud.keadm import cloud_images, cloudcore_release, keadm_program
from kedoctor.checks.install.cloud.kubernetes_ready import k3s_ready
from kedoctor.checks.install.cloud.preflight import install_bundle, install_request
from kedoctor.checks.install.facts_keadm import KeadmHere
from kedoctor.checks.install.steps import InstalledProgram
from kedoctor.checks.parsers.kubernetes import Secret
from kedoctor.checks.parsers.release_contents import newest
from kedoctor.model.observations.files import StatFile
from kedoctor.model.observations.processes import ListProcesses
from kedoctor.model.observations.units import ReadUnit
from kedoctor.offline.reading import read_offline_bundle

CLOUD = "10.99.0.1"
HERE = HostAddresses(
    Addresses((InterfaceAddress("eth0", CLOUD, 24), InterfaceAddress("lo", "127.0.0.1", 8)), "eth0")
)
NONE = KubernetesHere(Distribution.NONE)
KUBEADM = KubernetesHere(Distribution.OTHER, "kube-apiserver runs (pid 58)")
K3S = KubernetesHere(Distribution.K3S, "unit k3s.service")
ABSENT = InstalledProgram("/usr/local/bin/k3s", present=False)
RUNS = InstalledProgram("/usr/local/bin/k3s", present=True, version="v1.31.12+k3s1")
FIT = HostFitness(0, systemd=True, now=NOW, default_interface="eth0", default_address=CLOUD)
NOTHING = CloudProcesses(now=NOW)


def asked(address: str = CLOUD, name: str = "cloud", *, named: bool = True) -> CloudRequest:
    return CloudRequest("/srv/bundle", address, name, named)


def unit(**fields: Any) -> Unit:
    usual = {
        "load_state": "loaded",
        "active_state": "active",
        "sub_state": "running",
        "unit_file_state": "enabled",
    }
    return Unit("k3s.service", **(usual | fields))


def bundle(place: Path, *, without: str = "", architecture: str = "amd64") -> CloudBundle:
    """A whole bundle for the cloud side on disk, as it is read, less what has a name."""
    wanted, programs = newest().of("cloud")
    files = images(*(one.reference for one in wanted), architecture=architecture)
    files |= {one.name: elf(architecture, content=one.name.encode()) for one in programs}
    for name, data in files.items():
        if not without or without not in name:
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(data)
    return CloudBundle(read_offline_bundle(place), "amd64", newest())


class Machine:
    """A host with these units, processes and files, and nothing else."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def observe(self, request: Any) -> Any:
        match request:
            case ReadUnit(name=name) if name in self.names:
                return Unit(name, "loaded", "active", "running")
            case ReadUnit(name=name):
                return Unit(name, "not-found", "inactive", "dead")
            case ListProcesses():
                found = [Process(number, 1, name, (name,)) for number, name in enumerate(self.names, 10)]
                return Processes(tuple(found))
            case StatFile(path=path) if path in self.names:
                return FileMetadata(path, "file", 0o600, 0, 0, 1, NOW)
        return Unavailable(Reason.ABSENT, str(request))


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((), Distribution.NONE),
        (("k3s-server",), Distribution.K3S),
        (("k3s.service",), Distribution.K3S),
        (("kube-apiserver", "kubelet.service"), Distribution.OTHER),
        (("/etc/kubernetes/manifests/kube-apiserver.yaml",), Distribution.OTHER),
        (("rke2-server.service",), Distribution.OTHER),
        (("k3s-agent.service",), Distribution.MEMBER),
        (("kubelet.service",), Distribution.MEMBER),
    ],
)
def test_which_kubernetes_is_here(there: tuple[str, ...], expected: Distribution) -> None:
    host, clock = Host(Machine(*there)), Clock(Machine())
    assert kubernetes_here(host, cloud_processes(host, clock)).distribution is expected


class TestRequest:
    """What was asked for (B40)."""

    @pytest.mark.parametrize(
        "address",
        [
            "",
            "999.1.1.1",
            "cloud",
            "1.2.3",
            "127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "169.254.1.1",
            "::1",
            "fd00::5",
        ],
    )
    def test_addresses_that_no_edge_can_dial(self, address: str) -> None:
        found, _ = install_request(asked(address), HERE, K3sHere(ABSENT))
        assert found.status is Status.FAIL
        assert both_languages(found)

    def test_an_address_behind_nat_is_allowed_and_told(self) -> None:
        found, _ = install_request(asked("203.0.113.5"), HERE, K3sHere(ABSENT))
        assert found.status is Status.WARN
        assert "not an address of this host" in found.summary.en

    def test_behind_nat_the_api_server_does_not_advertise_it(self) -> None:
        inside = wanted_fragment(asked(), HERE, K3sHere(ABSENT))
        outside = wanted_fragment(asked("203.0.113.5"), HERE, K3sHere(ABSENT))
        assert inside["advertise-address"] == CLOUD
        assert "advertise-address" not in outside
        assert outside["tls-san+"] == ["203.0.113.5"]

    @pytest.mark.parametrize("name", ["Cloud", "k3s_master", "-a", "a" * 254, ""])
    def test_names_that_no_node_can_have(self, name: str) -> None:
        _, found = install_request(asked(name=name), HERE, K3sHere(ABSENT))
        assert found.status is Status.FAIL

    def test_a_k3s_keeps_the_name_it_was_installed_under(self) -> None:
        known = K3sHere(RUNS, unit(), ours=True, settings={"node-name": "first"}, begun=True)
        _, other = install_request(asked(name="second"), HERE, known)
        _, default = install_request(asked(name="host", named=False), HERE, known)
        assert (other.status, default.status) == (Status.FAIL, Status.PASS)
        assert wanted_fragment(asked(name="host", named=False), HERE, known)["node-name"] == "first"


class TestHost:
    """What must be so on the host."""

    def found(
        self, fitness: HostFitness = FIT, here: KubernetesHere = NONE, processes: CloudProcesses = NOTHING
    ) -> dict[str, Status]:
        findings = list(install_host(fitness, here, processes, MISSING))
        assert all(map(both_languages, findings))
        return {one.subject: one.status for one in findings}

    def test_all_is_well(self) -> None:
        assert set(self.found().values()) == {Status.PASS}

    def test_not_root_and_no_systemd(self) -> None:
        assert self.found(HostFitness(1000, systemd=True, now=NOW))["user"] is Status.FAIL
        assert self.found(HostFitness(0, systemd=False, now=NOW))["systemd"] is Status.FAIL

    def test_no_default_route(self) -> None:
        found = self.found(HostFitness(0, systemd=True, now=NOW))
        assert found["default route"] is Status.FAIL

    def test_a_clock_before_the_software_was_made(self, tmp_path: Path) -> None:
        assert (
            self.found(HostFitness(0, systemd=True, now=datetime(2000, 1, 1, tzinfo=UTC)))["clock"]
            is Status.FAIL
        )
        (tmp_path / "meta").mkdir()
        (tmp_path / "meta/version.txt").write_text("build_date=2026-12-24T10:00:00Z\n")
        clock = [one for one in install_host(FIT, NONE, NOTHING, bundle(tmp_path)) if one.subject == "clock"]
        assert [one.status for one in clock] == [Status.FAIL]

    def test_kubernetes_that_is_here(self) -> None:
        member = KubernetesHere(Distribution.MEMBER, "unit k3s-agent.service")
        assert self.found(here=KUBEADM)["Kubernetes"] is Status.PASS
        assert self.found(here=K3S)["Kubernetes"] is Status.PASS
        assert self.found(here=member)["Kubernetes"] is Status.FAIL

    def test_a_cloudcore_outside_of_any_cluster(self) -> None:
        processes = CloudProcesses(cloudcore=Process(7, 1, "cloudcore", ("cloudcore",)), now=NOW)
        assert self.found(processes=processes)["Kubernetes"] is Status.FAIL

    @pytest.mark.parametrize(
        ("port", "owner", "status"),
        [
            (10000, "nginx", Status.FAIL),
            (10000, "cloudcore", Status.PASS),
            (6443, "k3s-server", Status.PASS),
            (6443, "haproxy", Status.FAIL),
            (9091, "prometheus", Status.FAIL),
            (10004, "", Status.UNKNOWN),
            (80, "nginx", Status.PASS),
        ],
    )
    def test_ports(self, port: int, owner: str, status: Status) -> None:
        """Nobody but those they are meant for (B44)."""
        sockets = Sockets((Socket("0.0.0.0", port, "", 0, "LISTEN", 9, owner),))
        assert only(install_ports(CloudSockets(sockets))).status is status


class TestBundle:
    """What the bundle lacks, before anything begins."""

    def status(self, usable: CloudBundle, here: KubernetesHere = NONE) -> Status:
        findings = list(install_bundle(VerifiedBundle(usable.bundle), usable, here))
        assert all(map(both_languages, findings))
        return findings[0].status

    def test_whole(self, tmp_path: Path) -> None:
        assert self.status(bundle(tmp_path)) is Status.PASS

    @pytest.mark.parametrize(
        "name", ["mirrored-pause", "cloudcore-v1", "iptables-manager-v1", "k3s", "keadm"]
    )
    def test_what_is_missing_stops_it(self, tmp_path: Path, name: str) -> None:
        assert self.status(bundle(tmp_path, without=name)) is Status.FAIL

    def test_beside_another_kubernetes_k3s_is_not_asked_for(self, tmp_path: Path) -> None:
        usable = bundle(tmp_path, without="rancher")
        assert self.status(usable) is Status.FAIL
        assert self.status(usable, KUBEADM) is Status.PASS

    def test_for_another_machine(self, tmp_path: Path) -> None:
        assert self.status(bundle(tmp_path, architecture="arm64")) is Status.FAIL

    def test_what_docker_holds_does_not_count(self, tmp_path: Path) -> None:
        """Only the store of the runtime does, under the image's own name (B8 of the document: docker load)."""
        usable = bundle(tmp_path)
        none = cloud_images(usable, StoredHere("k3s", frozenset()), K3S)
        whole = cloud_images(usable, StoredHere("k3s", frozenset(usable.images)), K3S)
        assert (none.status, whole.status) == (Status.FAIL, Status.PASS)
        assert cloud_images(usable, MISSING, K3S).status is Status.UNKNOWN
        plan = fix_keadm.cloud_images(
            verdict_of(cloud_images, none), usable, StoredHere("k3s", frozenset()), K3S
        )
        assert {one.reference for one in plan.actions} == set(usable.images)  # type: ignore[attr-defined]


class TestK3s:
    """K3s, put in or kept."""

    def test_a_k3s_that_runs_is_kept_whatever_its_version(self) -> None:
        assert k3s_program(K3sHere(RUNS), K3S).status is Status.PASS
        assert k3s_program(K3sHere(ABSENT), NONE).status is Status.FAIL
        assert (
            k3s_program(K3sHere(InstalledProgram("k3s", True, trouble="Exec format error")), NONE).status
            is Status.FAIL
        )

    def test_beside_another_kubernetes_nothing_of_k3s_is_touched(self) -> None:
        assert k3s_program(K3sHere(ABSENT), KUBEADM).status is Status.SKIP
        assert (
            only(k3s_settings(MISSING, asked(), HERE, K3sHere(ABSENT), kubernetes=KUBEADM)).status
            is Status.SKIP
        )

    def settings(self, arguments: ApiserverArguments, k3s: K3sHere) -> list[str]:
        found = k3s_settings(arguments, asked(), HERE, k3s, kubernetes=K3S)
        return [one.subject for one in found if one.status is Status.FAIL]

    def test_of_a_k3s_of_somebody_else_only_what_keeps_edges_away_is_put_right(self) -> None:
        plain = ApiserverArguments(
            True, {"kubelet-certificate-authority": Setting("/ca.crt", "set by K3s itself")}
        )
        theirs = K3sHere(RUNS, unit(), kubeconfig_mode=0o600)
        assert self.settings(plain, theirs) == ["egress-selector-mode", "kubelet-certificate-authority"]
        set_up = ApiserverArguments(True, {}, {"egress-selector-mode": Setting("disabled", "x.yaml")})
        assert self.settings(set_up, theirs) == []

    def test_a_kubeconfig_that_others_can_read(self) -> None:
        """The user's installer opens it to everybody (B43); where K3s was told to, it is K3s' own setting."""
        server = {"egress-selector-mode": Setting("disabled", "x.yaml")}
        open_ = K3sHere(RUNS, unit(), kubeconfig_mode=0o644)
        assert self.settings(ApiserverArguments(True, {}, server), open_) == ["/etc/rancher/k3s/k3s.yaml"]
        told = server | {"write-kubeconfig-mode": Setting("644", "x.yaml")}
        assert self.settings(ApiserverArguments(True, {}, told), open_) == []

    def test_what_is_written_after_the_start_is_not_in_force(self) -> None:
        server = {"egress-selector-mode": Setting("disabled", "x.yaml")}
        late = ApiserverArguments(True, {}, server, changed=NOW, started=NOW - timedelta(hours=1))
        assert self.settings(late, K3sHere(RUNS, unit(), kubeconfig_mode=0o600)) == ["restart"]

    def test_a_k3s_that_does_not_run_is_not_restarted(self) -> None:
        stopped = K3sHere(RUNS, unit(active_state="inactive"), ours=True)
        arguments = ApiserverArguments(True)
        for subject in ("egress-selector-mode", "/etc/rancher/k3s/config.yaml.d/80-kedoctor-install.yaml"):
            findings = k3s_settings(arguments, asked(), HERE, stopped, kubernetes=K3S)
            (failing,) = [one for one in findings if one.subject == subject]
            verdict = verdict_of(k3s_settings, failing)
            plan = planned(fix_k3s.k3s_settings(verdict, arguments, asked(), HERE, k3s=stopped), verdict)
            assert plan.restarts == ()
            assert [type(one) for one in plan.actions] == [WriteFile]

    def test_a_file_proves_nothing_only_readyz_and_a_node_do(self) -> None:
        """B7, B33."""
        runs = K3sHere(RUNS, unit(), ours=True)
        silent = Unavailable(Reason.REFUSED, "GET /readyz")
        assert k3s_ready(silent, MISSING, runs, kubernetes=K3S).status is Status.FAIL
        found = k3s_ready(silent, MISSING, K3sHere(RUNS, unit(unit_file_state="disabled")), kubernetes=K3S)
        verdict = verdict_of(k3s_ready, found)
        plan = planned(
            fix_k3s.k3s_ready(verdict, K3sHere(RUNS, unit(unit_file_state="disabled")), K3S), verdict
        )
        assert plan.actions == (ControlUnit("k3s.service", "enable-now"),)
        assert isinstance(fix_k3s.k3s_ready(verdict, runs, KUBEADM), NoPlan)


class TestRelease:
    """cloudcore by keadm, once."""

    def judged(self, release: KeadmRelease, workload: CloudcoreWorkload | None = None) -> Any:
        found = cloudcore_release(
            release,
            workload or CloudcoreWorkload(None, ()),
            MISSING,
            secrets=MISSING,
            record=TunnelPortRecord(RecordState.NO_CONFIG_MAP),
            processes=NOTHING,
        )
        return verdict_of(cloudcore_release, found)

    def planned(
        self, verdict: Any, release: KeadmRelease, tmp_path: Path, here: KubernetesHere = K3S
    ) -> Plan:
        answer = fix_keadm.cloudcore_release(verdict, asked(), bundle(tmp_path), here, release=release)
        return planned(answer, verdict)

    def test_keadm_init_is_told_its_version_and_the_address(self, tmp_path: Path) -> None:
        release = KeadmRelease(ReleaseState.ABSENT)
        (init,) = self.planned(self.judged(release), release, tmp_path).actions
        assert isinstance(init, RunProgram)
        assert f"--advertise-address={CLOUD}" in init.arguments
        assert "--kubeedge-version=v1.22.0" in init.arguments
        assert "--kube-config=/etc/rancher/k3s/k3s.yaml" in init.arguments
        assert init.secrets == ()

    def test_beside_kubeadm_its_kubeconfig_is_used(self, tmp_path: Path) -> None:
        release = KeadmRelease(ReleaseState.ABSENT)
        (init,) = self.planned(self.judged(release), release, tmp_path, KUBEADM).actions
        assert "--kube-config=/etc/kubernetes/admin.conf" in init.arguments  # type: ignore[attr-defined]

    def test_what_a_killed_keadm_left_is_forgotten_first(self, tmp_path: Path) -> None:
        """keadm refuses wherever a release is on record (facts.md §6.1)."""
        release = KeadmRelease(
            ReleaseState.UNFINISHED, "pending-install", ("sh.helm.release.v1.cloudcore.v1",)
        )
        actions = self.planned(self.judged(release), release, tmp_path).actions
        assert [type(one) for one in actions] == [DeleteObject, RunProgram]

    def test_the_newest_record_counts(self) -> None:
        def record(number: int, status: str) -> Any:
            labels = {"owner": "helm", "name": "cloudcore", "version": str(number), "status": status}
            name = f"sh.helm.release.v1.cloudcore.v{number}"
            return made(Secret, metadata={"name": name, "namespace": "kubeedge", "labels": labels})

        found = keadm_release(cluster(record(9, "superseded"), record(10, "deployed")))
        assert isinstance(found, KeadmRelease)
        assert (found.state, len(found.secrets)) == (ReleaseState.DEPLOYED, 2)
        assert keadm_release(cluster(kinds=[Secret])).state is ReleaseState.ABSENT

    def test_keadm_of_another_release_is_replaced(self, tmp_path: Path) -> None:
        usable = bundle(tmp_path)
        other = KeadmHere(InstalledProgram("/usr/local/bin/keadm", True, "v1.17.0"))
        same = KeadmHere(InstalledProgram("/usr/local/bin/keadm", True, "v1.22.0"))
        assert (keadm_program(other, usable).status, keadm_program(same, usable).status) == (
            Status.FAIL,
            Status.PASS,
        )


class TestJoin:
    """A token is verified and never invented (B28, B37)."""

    CA = b"the certificate of the authority"

    def token(self, *, ca: bytes = CA, expires: timedelta = timedelta(hours=20)) -> str:
        words = (b'{"alg":"HS256"}', json.dumps({"exp": int((NOW + expires).timestamp())}).encode(), b"sig")
        parts = [base64.urlsafe_b64encode(word).decode().rstrip("=") for word in words]
        return ".".join([hashlib.sha256(ca).hexdigest(), *parts])

    def offer(self, token: str | Unavailable, *, served: bytes = CA) -> Any:
        secrets = KubeedgeSecrets(self.CA, b"", token, MISSING)
        clock = ClockReading(NOW, 0.0, "the API server")
        return join_offer(
            asked(), secrets, ServedCa(hashlib.sha256(served).hexdigest(), None, "url"), clock=clock
        )

    def test_a_good_one_is_handed_over_and_not_told_elsewhere(self) -> None:
        offer = self.offer(self.token())
        found = join_command(offer)
        assert found.status is Status.PASS
        assert self.token() in offer.handover.en
        assert self.token() in offer.handover.zh
        assert self.token() not in repr(offer)
        assert self.token()[:80] not in repr(found)

    @pytest.mark.parametrize("text", ["", "a.b", "default-token-1700000000", "x" * 64, "a.b.c.d"])
    def test_what_is_no_token_is_not_handed_over(self, text: str) -> None:
        offer = self.offer(text)
        assert (join_command(offer).status, offer.handover, offer.token) == (Status.FAIL, None, "")

    def test_of_another_ca_or_time(self) -> None:
        for offer in (
            self.offer(self.token(ca=b"another")),
            self.offer(self.token(), served=b"another"),
            self.offer(self.token(expires=timedelta(hours=-1))),
        ):
            found = join_command(offer)
            assert (found.status, offer.handover) == (Status.FAIL, None)
            assert both_languages(found)

    def test_without_a_secret_there_is_no_offer(self) -> None:
        absent = Unavailable(Reason.ABSENT, "Secret kubeedge/tokensecret")
        with pytest.raises(Exception, match="tokensecret"):
            self.offer(absent)
