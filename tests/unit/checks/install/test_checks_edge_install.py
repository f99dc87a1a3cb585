"""The install of an edge: its preflight from facts, its plans, and that kubeprepare's faults are not ours (§5).

A test names the fault of kubeprepare.md §5 that it shows to be absent.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Network
from typing import Any

import edge_samples
import pytest
from remedied import planned, told, verdict_of
from siteworld import both_languages, only
from toysite import FakeSource

from kedoctor.api import (
    BundledFile,
    BundledImage,
    BundledKind,
    Connection,
    EditYaml,
    File,
    FileMetadata,
    HttpAnswer,
    Identity,
    ImportImage,
    MoveAside,
    OfflineBundle,
    OfflineProblem,
    OfflineProblemKind,
    PlaceFile,
    Process,
    Processes,
    Reason,
    RestartUnit,
    RunProgram,
    Setting,
    Status,
    TlsPeer,
    ToolOutput,
    Unavailable,
    Unit,
    WriteFile,
)
from kedoctor.changes.actors.files import edited
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.edge.edgecore import EdgecoreFile, EdgecoreUnit
from kedoctor.checks.facts.edge.sockets_and_probes import PortProbe
from kedoctor.checks.install.edge import bundle as install_bundle
from kedoctor.checks.install.edge import cloud as install_cloud
from kedoctor.checks.install.edge import facts_request as facts
from kedoctor.checks.install.edge import fix_join as join_remedies
from kedoctor.checks.install.edge import fix_runtime as runtime_remedies
from kedoctor.checks.install.edge import host as install_host
from kedoctor.checks.install.edge import images as install_images
from kedoctor.checks.install.edge import join as install_join
from kedoctor.checks.install.edge import network as install_network
from kedoctor.checks.install.edge import runtime as install_runtime
from kedoctor.checks.install.edge.facts_network import PodRange, TakenNetwork
from kedoctor.checks.install.edge.facts_request import (
    CloudAnswers,
    EdgeTarget,
    InstallBundle,
    Joined,
    OfferedToken,
)
from kedoctor.checks.install.edge.facts_runtime import (
    HostPrograms,
    HostRuntime,
    PodNetworks,
    RuntimeFile,
    RuntimeStore,
)
from kedoctor.checks.install.edge.procedure import EDGE
from kedoctor.checks.parsers.config.toml_edit import put
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.join_token import JoinToken
from kedoctor.checks.parsers.pod_cidr import network_for, parse_network
from kedoctor.checks.parsers.release_contents import newest
from kedoctor.model.declarations import FactUnavailableError, RunMode
from kedoctor.model.observations.inputs import ReadSetting
from kedoctor.model.ports import Host
from kedoctor.plugins import load_plugins
from kedoctor.yaml.document import load

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CA = b"the CA, as DER"
DIGEST = sha256(CA).hexdigest()
TARGET = EdgeTarget("edge1", *(HostPort("10.0.0.1", port) for port in (10000, 10002, 10004)))
METADATA = FileMetadata("/x", "file", 0o600, 0, 0, 1, NOW)
ABSENT = Unavailable(Reason.ABSENT, "it")


def target(**given: str) -> EdgeTarget:
    usual = {"node": "edge1", "cloud": "10.0.0.1", "cert-port": "10002", "tunnel-port": "10004"}
    answers = {ReadSetting(name): Setting(value) for name, value in (usual | given).items()}
    return facts.edge_target(Host(FakeSource(answers)))  # type: ignore[arg-type]


def answers(*, node: int = 404, ca: bytes = CA, date: datetime | None = NOW, **tcp: Any) -> CloudAnswers:
    probes = [
        PortProbe(
            role, server, tcp.get(role, Connection("10.0.0.1", 0.01)), tcp.get(f"{role}_tls", TlsPeer(()))
        )
        for role, server in TARGET.servers()
    ]
    return CloudAnswers(
        tuple(probes),
        "https://c/ca.crt",
        HttpAnswer(200, ca, date),
        "https://c/node/edge1",
        HttpAnswer(node, b""),
        NOW,
    )


def joined(*entries: str, text: str | None = None, certificate: bool = False, stranger: str = "") -> Joined:
    document = None if text is None else load(text.encode())
    file = EdgecoreFile("/etc/kubeedge/config/edgecore.yaml", ABSENT, document=document)
    return Joined(entries, file, METADATA if certificate else ABSENT, stranger, "/etc/kubeedge.unfinished")


def bundle(
    *files: BundledFile, problems: tuple[OfflineProblem, ...] = (), leave_out: tuple[str, ...] = ()
) -> InstallBundle:
    names = ("keadm", "containerd", "containerd-shim-runc-v2", "ctr", "runc")
    programs = [BundledFile(f"bin/{name}", 5, BundledKind.BINARY, "a" * 64, "amd64") for name in names]
    plugins = [
        BundledFile(f"cni-bin/{name}", 5, BundledKind.CNI_PLUGIN, "b" * 64, "amd64")
        for name in ("bridge", "host-local", "loopback", "portmap")
    ]
    images = [
        BundledFile(
            f"images/{number}.tar",
            5,
            BundledKind.IMAGES,
            "c" * 64,
            images=(BundledImage(one.reference, "amd64"),),
        )
        for number, one in enumerate(newest().of("edge")[0])
    ]
    kept = [
        one
        for one in (*programs, *plugins, *images, *files)
        if one.name not in leave_out and not {image.reference for image in one.images} & set(leave_out)
    ]
    return InstallBundle(OfflineBundle("/bundle", tuple(kept), problems), "amd64", newest())


def judged_bundle(found: InstallBundle, programs: dict[str, str] | None = None, **more: Any) -> list[Any]:
    networks = PodNetworks("/etc/cni/net.d", "/opt/cni/bin", (), frozenset())
    runtime = more.get("runtime", RuntimeFile("/etc/containerd/config.toml", exists=False))
    store = more.get("store", ABSENT)
    return list(install_bundle.install_bundle(found, HostPrograms(programs or {}), networks, runtime, store))


# ------------------------------------------------------------------------------------------- the procedure


def test_every_code_of_the_procedure_is_a_check_and_preflights_come_first() -> None:
    checks = load_plugins().registry.checks
    for code in (*EDGE.preflight, *EDGE.steps, *EDGE.waits):
        assert code in checks, code
    assert not set(EDGE.preflight) & set(EDGE.steps)
    ours = [code for code, node in checks.items() if "KE961" <= code <= "KE978"]
    assert len(ours) == 18
    assert set(ours) <= set(EDGE.preflight) | set(EDGE.steps)
    for code in ours:
        assert checks[code].check.occasions == (RunMode.INSTALL,)
        assert code not in EDGE.preflight or code not in load_plugins().registry.remedies


# ------------------------------------------------------------------------------------ what it is told (B40)


def test_addresses_are_parsed_and_not_guessed_by_patterns() -> None:
    assert target(cloud="10.0.0.1:30000").hub == HostPort("10.0.0.1", 30000)
    assert str(target(cloud="[fd00::1]").tunnel) == "[fd00::1]:10004"
    assert target(cloud="wss://cloud.example:10000").hub == HostPort("cloud.example", 10000)
    assert target(**{"tunnel-port": "30004"}).tunnel.port == 30004
    for wrong in ("", "10.0.0.1:99999", "10.0.0.1:", ":10000"):
        with pytest.raises(FactUnavailableError):
            target(cloud=wrong)
    with pytest.raises(FactUnavailableError):
        target(**{"cert-port": "none"})


# --------------------------------------------------------------------------------------------- preflight


def test_root_machine_and_the_sudo_that_keadm_calls() -> None:  # B26
    def basics(uid: int = 0, machine: str = "x86_64", *missing: str) -> install_host.HostBasics:
        return install_host.HostBasics(Identity("h", machine, "6.1", "b", uid), missing, "")

    assert install_host.install_host(basics()).status is Status.PASS
    for wrong in (basics(1000), basics(0, "riscv64"), basics(0, "x86_64", "sudo")):
        finding = install_host.install_host(wrong)
        assert finding.status is Status.FAIL
        assert both_languages(finding)


def test_an_installation_that_is_ours_goes_on_and_another_one_is_left_alone() -> None:  # B20, B21
    basics = install_host.HostBasics(Identity("h", "x86_64", "6.1", "b", 0), (), "")
    unit = EdgecoreUnit(ABSENT, None, Processes(()))

    def status(found: Joined, **more: Any) -> Status:
        return install_host.nothing_overwritten(
            TARGET, found, more.get("basics", basics), more.get("unit", unit)
        ).status

    assert status(joined()) is Status.PASS
    assert status(joined("config", text="a: 1", certificate=True)) is Status.PASS
    assert status(joined("bootstrap-edgecore.conf")) is Status.PASS  # an unfinished join
    assert status(joined("config", text="a: 1", stranger="node shop7")) is Status.FAIL
    assert status(joined("certs", certificate=True)) is Status.FAIL
    assert status(joined("cloudcore.yaml")) is Status.FAIL
    runs = EdgecoreUnit(ABSENT, Process(1, 0, "edgecore", ("edgecore",)), Processes(()))
    assert status(joined(), unit=runs) is Status.FAIL
    k3s = install_host.HostBasics(basics.identity, (), "k3s.service")
    assert status(joined(), basics=k3s) is Status.FAIL


def test_a_complete_bundle_passes_and_each_lack_is_named() -> None:  # B29, B32, B38
    assert [one.status for one in judged_bundle(bundle())] == [Status.PASS]
    pause = newest().image("pause", "edge").reference
    for wrong, name in (
        (bundle(leave_out=(pause,)), pause),
        (bundle(leave_out=("ctr",)), "ctr"),
        (
            bundle(problems=(OfflineProblem(OfflineProblemKind.DAMAGED, "images/1.tar", "it is truncated"),)),
            "images/1.tar",
        ),
        (bundle(problems=(OfflineProblem(OfflineProblemKind.AMBIGUOUS, "old/keadm", "keadm"),)), "old/keadm"),
    ):
        finding = only(judged_bundle(wrong))
        assert finding.status is Status.FAIL
        assert name in finding.summary.en
        assert both_languages(finding)


def test_what_the_host_has_need_not_be_in_the_bundle_and_what_no_join_needs_is_a_warning() -> None:
    own = {name: f"/usr/bin/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr", "runc")}
    assert only(judged_bundle(bundle(leave_out=tuple(own)), own)).status is Status.PASS
    test_image = newest().image("test", "edge").reference
    finding = only(judged_bundle(bundle(leave_out=(test_image,))))
    assert (finding.status, test_image in finding.summary.en) == (Status.WARN, True)


def test_the_sandbox_image_of_an_existing_runtime_must_be_at_hand() -> None:  # B42
    pause = newest().image("pause", "edge").reference
    runtime = RuntimeFile("/c", exists=True, sandbox="registry.k8s.io/pause:3.6")
    assert (
        only(judged_bundle(bundle(), runtime=runtime)).status is Status.PASS
    )  # the bundle's is taken instead
    stored = RuntimeStore(frozenset({"registry.k8s.io/pause:3.6", pause}))
    assert (
        only(judged_bundle(bundle(leave_out=(pause,)), runtime=runtime, store=stored)).status is Status.PASS
    )


def test_each_port_is_told_apart() -> None:  # B44
    dropped = Unavailable(Reason.TIMEOUT, "tcp", "no answer")
    refused = Unavailable(Reason.REFUSED, "tcp", "connection refused")
    plain = Unavailable(Reason.INVALID, "tls", "it speaks no TLS")
    found = list(install_cloud.cloud_ports(TARGET, answers(hub=dropped, https=refused, tunnel_tls=plain)))
    assert [one.status for one in found] == [Status.FAIL] * 3
    assert "firewall that drops" in found[0].summary.en
    assert "nothing listens" in found[1].summary.en
    assert "is not cloudcore" in found[2].summary.en
    assert all(both_languages(one) for one in found)
    here = EdgeTarget("edge1", *(HostPort("127.0.0.1", port) for port in (10000, 10002, 10004)))  # B36
    assert only(install_cloud.cloud_ports(here, answers())).status is Status.FAIL


@pytest.mark.parametrize(
    ("skew", "status"),
    [(10, Status.PASS), (-90, Status.WARN), (301, Status.FAIL), (-4000, Status.FAIL)],
)
def test_the_clock_is_compared_with_the_clouds(skew: int, status: Status) -> None:
    assert install_cloud.install_clock(answers(date=NOW - timedelta(seconds=skew))).status is status


def test_a_cloud_that_does_not_say_the_time_is_not_known() -> None:
    assert install_cloud.install_clock(answers(date=None)).status is Status.UNKNOWN


def test_a_token_is_judged_in_full_and_never_invented() -> None:  # B28, B37
    def status(offered: OfferedToken, seen: CloudAnswers | None = None, has: Joined | None = None) -> Status:
        finding = install_cloud.install_token(offered, seen or answers(), has or joined())
        assert finding.status in (Status.PASS, Status.UNKNOWN) or both_languages(finding)
        return finding.status

    good = OfferedToken(JoinToken(DIGEST, None, NOW + timedelta(hours=3), signed=True))
    assert status(good) is Status.PASS
    assert status(OfferedToken(None, "wrong format")) is Status.FAIL
    assert status(good, answers(ca=b"another")) is Status.FAIL
    old = OfferedToken(JoinToken(DIGEST, None, NOW - timedelta(seconds=1), signed=True))
    assert status(old) is Status.FAIL
    assert status(old, answers(date=NOW - timedelta(minutes=5))) is Status.PASS  # the cloud's clock decides
    assert status(old, has=joined("certs", text="a: 1", certificate=True)) is Status.PASS
    source = FakeSource({ReadSetting("token"): Setting("a.b", secret=True)})
    assert "a.b" not in repr(facts.offered_token(Host(source)))  # type: ignore[arg-type]


def test_a_name_must_be_valid_and_unknown_to_the_cloud() -> None:
    def status(name: str, code: int = 404, **has: Any) -> Status:
        where = EdgeTarget(name, TARGET.hub, TARGET.certificates, TARGET.tunnel)
        return install_cloud.node_name(where, answers(node=code), joined(**has)).status

    assert status("edge-1.shop") is Status.PASS
    for wrong in ("Edge1", "edge_1", "-edge", "edge-", "a" * 254, "edge..1", "edge 1"):
        assert status(wrong) is Status.FAIL, wrong
    assert status("edge1", 200) is Status.FAIL
    assert status("edge1", 500) is Status.FAIL  # keadm refuses on anything but 404
    assert status("edge1", 200, certificate=True) is Status.PASS


# ------------------------------------------------------------------------------------------ networks (B41)


def test_the_range_of_a_name_is_stable_and_seldom_anothers() -> None:
    names = [f"edge-{number}" for number in range(1, 101)]
    networks = {network_for(name) for name in names}
    assert len(networks) >= 99
    assert network_for("edge-15") != network_for("edge-21")  # kubeprepare gives both one network
    assert network_for("edge-15") == network_for("edge-15")
    for network in networks:
        assert network is not None
        assert network.subnet_of(IPv4Network("10.128.0.0/9"))
        assert not network.overlaps(IPv4Network("10.244.0.0/16"))
    own = network_for("edge1")
    assert own is not None
    assert network_for("edge1", [own]) != own


@pytest.mark.parametrize(
    "text", ["10.0.0.1/24", "8.8.8.0/24", "fd00::/64", "10.0.0.0/30", "x", "127.0.0.0/24"]
)
def test_what_is_no_range_for_pods(text: str) -> None:
    assert isinstance(parse_network(text), str)


def test_a_range_is_judged_against_everything_that_is_known() -> None:
    present = PodNetworks("/etc/cni/net.d", "/opt/cni/bin", (), frozenset())
    taken = (TakenNetwork(IPv4Network("10.42.0.0/16"), "the cluster's pods"),)

    def status(chosen: PodRange, edges: Any = ABSENT) -> Status:
        return install_network.pod_range(TARGET, chosen, present, edges).status

    assert status(PodRange(given=True, network=IPv4Network("10.42.3.0/24"), taken=taken)) is Status.FAIL
    assert status(PodRange(given=True, network=IPv4Network("10.99.3.0/24"), taken=taken)) is Status.PASS
    assert status(PodRange(given=True, network=None, taken=(), problem="x")) is Status.FAIL
    own = network_for("edge7")
    other = EdgeNodes(
        (
            EdgeNode(
                name="edge7",
                internal_ip="",
                hostname="",
                port=0,
                ready=None,
                created=NOW,
                version="",
                lease=None,
            ),
        )
    )  # type: ignore[call-arg,arg-type]
    assert status(PodRange(given=False, network=own, taken=()), other) is Status.FAIL


# ----------------------------------------------------------------------------------------------- runtime


def test_only_what_is_missing_is_placed() -> None:  # B42
    programs = HostPrograms({"containerd": "/usr/bin/containerd", "ctr": "/usr/bin/ctr"})
    verdict = verdict_of(install_runtime.runtime_programs, install_runtime.runtime_programs(programs), "h")
    plan = planned(runtime_remedies.runtime_programs(verdict, bundle(), programs), verdict)
    placed = [action for action in plan.actions if isinstance(action, PlaceFile)]
    assert [one.path for one in placed] == ["/usr/local/bin/containerd-shim-runc-v2", "/usr/local/bin/runc"]
    assert "runc" in told(runtime_remedies.runtime_programs(verdict, bundle(leave_out=("runc",)), programs))


OURS = '# ours\nversion = 2\ndisabled_plugins = ["cri", "other"] # why\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    max_container_log_line_size = 1\n'


def test_an_existing_configuration_keeps_every_other_byte() -> None:  # B11, B12, B13
    pause = newest().image("pause", "edge").reference
    file = RuntimeFile("/c", exists=True, text=OURS, tree=tomllib.loads(OURS), cri_disabled=True)
    finding = install_runtime.runtime_configured(file, bundle(), ABSENT)
    verdict = verdict_of(install_runtime.runtime_configured, finding, "h")
    running = HostRuntime(Unit("containerd.service", "loaded", "active", "running"), METADATA, ABSENT)
    plan = planned(runtime_remedies.runtime_configured(verdict, file, bundle(), running), verdict)
    (write,) = plan.actions
    assert isinstance(write, WriteFile)
    text = write.content.decode()
    assert tomllib.loads(text)["disabled_plugins"] == ["other"]
    assert tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"] == pause
    kept = [line for line in OURS.splitlines() if "disabled" not in line]
    assert [line for line in text.splitlines() if line in kept] == kept
    assert plan.restarts == (RestartUnit("containerd.service"),)
    first = 'disabled_plugins = ["cri"]\n'
    old = RuntimeFile("/c", exists=True, text=first, tree=tomllib.loads(first), cri_disabled=True)
    (write,) = planned(runtime_remedies.runtime_configured(verdict, old, bundle(), running), verdict).actions
    assert isinstance(write, WriteFile)
    assert tomllib.loads(write.content.decode())["plugins"]["cri"]["sandbox_image"] == pause


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n[a.b]\n y = 2\n",
        "a.b.key = 1\n",
        "[a]\nb = {c = 1}\n",
        '[a."b"]\nkey = """\nlong\n"""\nz = 1\n',
        "",
    ],
)
def test_one_key_of_toml_is_set_or_nothing_at_all(text: str) -> None:
    changed = put(text, ("a", "b", "key"), "value")
    if changed is not None:
        tree = tomllib.loads(changed)
        assert tree["a"]["b"].pop("key") == "value"
        before = tomllib.loads(text)
        before.get("a", {}).get("b", {}).pop("key", None)
        assert tree == {"a": {"b": {}}} | before or tree == before
    assert put("a = [", ("a",), "b") is None


def test_a_fresh_configuration_is_what_the_checks_want() -> None:
    pause = newest().image("pause", "edge").reference
    tree = tomllib.loads(runtime_remedies.runtime_config(pause))
    cri = tree["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == pause
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False


@pytest.mark.parametrize(
    ("table", "state"),
    [
        ("io.containerd.grpc.v1 cri linux/amd64 ok\n", "ok"),
        ("io.containerd.grpc.v1 cri linux/amd64 error\n", "error"),
        ("io.containerd.cri.v1 images - ok\nio.containerd.cri.v1 runtime linux/amd64 error\n", "error"),
        ("io.containerd.grpc.v1 images - ok\n", ""),
    ],
)
def test_the_cri_plugin_is_asked_and_running_alone_proves_nothing(table: str, state: str) -> None:  # B7
    output = ToolOutput(("ctr",), 0, f"TYPE ID PLATFORMS STATUS\n{table}", "")
    runtime = HostRuntime(
        Unit("containerd.service", "loaded", "active", "running", "enabled"), METADATA, output
    )
    assert runtime.cri == state
    file = RuntimeFile("/c", exists=True)
    finding = install_runtime.runtime_answers(runtime, file)
    assert finding.status is (Status.PASS if state == "ok" else Status.FAIL)


def test_images_are_imported_into_the_store_that_edgecore_reads_the_sandbox_image_first() -> None:  # 8, B29
    pause = newest().image("pause", "edge").reference
    file, store = RuntimeFile("/c", exists=True, sandbox=pause), RuntimeStore(frozenset())
    verdict = verdict_of(
        install_images.runtime_images, install_images.runtime_images(bundle(), file, store), "h"
    )
    plan = planned(runtime_remedies.runtime_images(verdict, bundle(), file, store), verdict)
    imports = [action for action in plan.actions if isinstance(action, ImportImage)]
    assert imports[0].reference == pause
    assert {one.runtime for one in imports} == {"containerd"}
    full = RuntimeStore(frozenset(one.reference for one in imports))
    assert install_images.runtime_images(bundle(), file, full).status is Status.PASS


# -------------------------------------------------------------------------------------------------- join

LOADED = EdgecoreUnit(Unit("edgecore.service", "loaded", "active", "running"), None, Processes(()))


def joining(found: Joined) -> Any:
    finding = install_join.edge_joined(TARGET, found, LOADED)
    verdict = verdict_of(install_join.edge_joined, finding, "h")
    runtime = RuntimeFile("/c", exists=True, driver="systemd")
    return join_remedies.edge_joined(verdict, TARGET, found, runtime, bundle()), verdict


def test_keadm_is_told_everything_but_the_token() -> (
    None
):  # B14, B15, B43; ca/ and certs/ are never made beforehand
    plan, verdict = joining(joined())
    (join,) = planned(plan, verdict).actions
    assert isinstance(join, RunProgram)
    assert join.arguments[0] == "join"
    assert "--cloudcore-ipport=10.0.0.1:10000" in join.arguments
    assert "--certport=10002" in join.arguments
    assert "--cgroupdriver=systemd" in join.arguments
    assert f"--kubeedge-version={newest().release}" in join.arguments
    assert "--set=modules.edgeStream.enable=true" in join.arguments
    assert "--set=modules.edgeStream.server=10.0.0.1:10004" in join.arguments
    assert not any(word.startswith("--token") for word in join.arguments)
    (secret,) = join.secrets
    assert (secret.setting, secret.path) == ("token", "/etc/kubeedge/bootstrap-edgecore.conf")
    assert not any(word.rpartition("=")[2].isdigit() for word in join.arguments if word.startswith("--set"))
    assert "keadm reset" in join.by_hand.en


def test_what_an_unfinished_join_left_goes_aside_and_a_finished_one_stays() -> None:  # B24
    left = joined("bootstrap-edgecore.conf", "config")
    verdict = verdict_of(install_join.left_behind, install_join.left_behind(left), "h")
    plan = planned(join_remedies.left_behind(verdict, left, LOADED), verdict)
    assert plan.actions[-1] == MoveAside("/etc/kubeedge", "/etc/kubeedge.unfinished")
    for fine in (joined(), joined("config", text="a: 1", certificate=True)):
        assert install_join.left_behind(fine).status is Status.PASS
    assert "wants it empty" in told(joining(left)[0])


def test_a_join_counts_only_with_configuration_unit_and_certificate() -> None:  # B33
    for has in (joined(), joined("config", text="a: 1"), joined("certs", certificate=True)):
        assert install_join.edge_joined(TARGET, has, LOADED).status is Status.FAIL
    whole = joined("config", text="a: 1", certificate=True)
    assert install_join.edge_joined(TARGET, whole, LOADED).status is Status.PASS


def test_who_another_installation_is_told_by_the_document_not_by_lines() -> None:  # B3
    def found(text: str) -> Joined:
        file = EdgecoreFile("/f", File(METADATA, text.encode()), document=load(text.encode()))
        return facts.joined(Host(FakeSource()), TARGET, file)  # type: ignore[arg-type]

    ours = "modules:\n  edged: {hostnameOverride: edge1}\n  edgeHub:\n    websocket: {server: '10.0.0.1:10000'}\n"
    assert found(ours).stranger == ""
    assert found(ours.replace("edge1", "edge10")).stranger == "node edge10"  # B5: no substrings
    assert found(ours.replace("10.0.0.1", "110.0.0.1")).stranger == "cloud 110.0.0.1:10000"  # B9


def test_keys_that_a_join_did_not_set_are_set_by_their_place() -> (
    None
):  # B11 to B16, and 0.3 (1): no loopback
    where = EdgeTarget("edge1", *(HostPort("10.99.0.1", port) for port in (10000, 10002, 10004)))
    runtime = RuntimeFile("/c", exists=True, driver="cgroupfs")
    assert install_join.edge_settings(where, runtime, edge_samples.config()).status is Status.PASS
    wrong = edge_samples.edited(enable="false", server="127.0.0.1:10004")
    finding = install_join.edge_settings(where, runtime, wrong)
    verdict = verdict_of(install_join.edge_settings, finding, "h")
    plan = planned(join_remedies.edge_settings(verdict, where, runtime, wrong), verdict)
    (edit,) = plan.actions
    assert isinstance(edit, EditYaml)
    assert {one.path: one.value for one in edit.changes} == {
        "modules.edgeStream.enable": True,
        "modules.edgeStream.server": "10.99.0.1:10004",
    }
    after = edge_samples.config(edited(wrong.document.text.encode(), edit.changes).decode())
    assert install_join.edge_settings(where, runtime, after).status is Status.PASS
