"""KE201 to KE207: what repairs make of edgecore.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import edge_samples as samples
import pytest
from edge_samples import (
    NAME,
    NOT_RECORDED,
    NOW,
    STARTED,
    YAML,
    config,
    file,
    log,
    metadata,
    said,
    sockets,
    unit,
)
from remedied import planned, told, verdict_of
from siteworld import made
from toysite import FakeSource

from kedoctor.api import (
    Connection,
    EditYaml,
    File,
    Plan,
    Reason,
    RestartUnit,
    Risk,
    TlsPeer,
    Unavailable,
    Wire,
    WriteFile,
)
from kedoctor.changes.actors.files import edited
from kedoctor.checks.edgecore import edgestream as judged_stream
from kedoctor.checks.edgecore import fix_config as restored
from kedoctor.checks.edgecore import fix_edgestream, fix_misplaced_keys
from kedoctor.checks.edgecore.config import edgecore_config as ke201
from kedoctor.checks.edgecore.config import misplaced_keys as ke207
from kedoctor.checks.edgecore.edgestream_certificate import edgestream_cert_paths as ke204
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreService
from kedoctor.checks.facts.edge.certificates import CertificateFile, EdgeCertificates, KeyFile
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import (
    CONFIG_PATH,
    UNIT_NAME,
    EdgecoreFile,
    edgecore_config,
)
from kedoctor.checks.facts.edge.repair import (
    EdgecoreCopies,
    EdgecoreCopy,
    HubTunnel,
    hub_tunnel,
    tunnel_beside_hub,
)
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.kubernetes import Service
from kedoctor.checks.parsers.releases import parse
from kedoctor.checks.plans.edgecore import spelt
from kedoctor.model.observations.wire import OpenTcp, OpenTls
from kedoctor.yaml.document import load

V1_22 = EdgecoreRelease(parse("v1.22.0"), "v1.22.0")
ABSENT = Unavailable(Reason.ABSENT, "a file", "it does not exist")
NO_COPIES = EdgecoreCopies(())
RESTART = (RestartUnit(UNIT_NAME),)
TIME = HostTime(NOW)


def after(plan: Plan, text: str) -> str:
    """edgecore.yaml after the plan's edit of it."""
    (action,) = [one for one in plan.actions if isinstance(one, EditYaml)]
    assert action.path == CONFIG_PATH
    return edited(text.encode(), action.changes).decode()


def pair(*absent: str) -> EdgeCertificates:
    seen = metadata("/etc/kubeedge/certs/server.crt")
    return EdgeCertificates(
        CertificateFile("/etc/kubeedge/ca/rootCA.crt", seen),
        CertificateFile("/etc/kubeedge/certs/server.crt", seen),
        KeyFile("/etc/kubeedge/certs/server.key", seen),
        dict.fromkeys(absent, ABSENT),
    )


# ------------------------------------------------------------------------------------------ KE201


def broken(text: str, *copies: EdgecoreCopy) -> Any:
    found = file(text)
    read = edgecore_config(found, NAME)
    wrong = verdict_of(ke201, ke201(found, read, unit(runs=False), NAME))
    return wrong, restored.edgecore_config(wrong, found, read, EdgecoreCopies(copies), NAME)


def copy(path: str, text: str = YAML) -> EdgecoreCopy:
    return EdgecoreCopy(File(metadata(path, 0o600), text.encode()), config(text))


def test_empty_sections_go_and_quoted_values_lose_their_quotes() -> None:
    text = YAML.replace(
        "    enable: true\n    server: 10.99.0.1:10004",
        '    enable: "true"  # on\n    handshakeTimeout: "30"',
    )
    wrong, answer = broken(text + "  eventBus:\n")
    plan = planned(answer, wrong)
    assert after(plan, text + "  eventBus:\n") == text.replace('"true"', "true").replace('"30"', "30")
    assert (plan.risk, plan.restarts) == (Risk.RESTARTS_EDGECORE, RESTART)


def test_what_is_not_clear_is_restored_from_the_newest_copy_of_this_node() -> None:
    other = copy(f"{CONFIG_PATH}.other", YAML.replace("edge1", "edge2"))
    good = copy(f"{CONFIG_PATH}.bak")
    for text in (
        YAML + "\tx: 1\n",
        YAML.replace("enable: true", "enable: maybe"),
        YAML.replace("  edgeHub:", "  edgeHub2:"),
    ):
        wrong, answer = broken(text, other, good)
        plan = planned(answer, wrong)
        assert plan.actions == (WriteFile(CONFIG_PATH, YAML.encode()),)
        assert f"{CONFIG_PATH}.bak" in plan.title.en


def test_without_a_copy_a_person_is_told_what_to_do() -> None:
    _, answer = broken(YAML + "\tx: 1\n", copy("x", YAML.replace("edge1", "edge2")))
    assert f"sudo vi {CONFIG_PATH}" in told(answer)


def test_an_absent_file_gets_the_mode_of_its_copy() -> None:
    gone = EdgecoreFile(CONFIG_PATH, ABSENT)
    wrong = verdict_of(ke201, ke201(gone, ABSENT, unit(runs=False), NAME))
    answer = restored.edgecore_config(wrong, gone, ABSENT, EdgecoreCopies((copy("c"),)), NAME)
    assert planned(answer, wrong).actions == (WriteFile(CONFIG_PATH, YAML.encode(), 0o600),)
    assert "keadm join" in told(restored.edgecore_config(wrong, gone, ABSENT, NO_COPIES, NAME))


def test_an_unreadable_file_is_not_overwritten() -> None:
    hidden = EdgecoreFile(CONFIG_PATH, Unavailable(Reason.PERMISSION, CONFIG_PATH))
    wrong, _ = broken(YAML + "\tx: 1\n")
    answer = restored.edgecore_config(wrong, hidden, ABSENT, EdgecoreCopies((copy("c"),)), NAME)
    assert "was not read" in told(answer)


# ------------------------------------------------------------------------------------------ KE207


def ignored(lines: str, text: str = YAML) -> Any:
    found = config(text + lines)
    wrong = verdict_of(ke207, ke207(found, V1_22))
    return wrong, fix_misplaced_keys.misplaced_keys(wrong, found, V1_22)


def test_keys_of_the_kubelet_move_to_where_they_are_read() -> None:
    lines = "    networkPluginName: cni\n    clusterDNS: [169.254.96.16]   # mesh\n    containerLogMaxSize: 20Mi\n"
    wrong, answer = ignored(lines)
    text = after(planned(answer, wrong), YAML + lines)
    assert "networkPluginName" not in text
    assert config(text).value("modules.edged.tailoredKubeletConfig.clusterDNS") == ["169.254.96.16"]
    assert config(text).text("modules.edged.tailoredKubeletConfig.containerLogMaxSize") == "20Mi"
    assert config(text).violations == ()


def test_a_misspelt_key_is_renamed_where_the_right_one_is_not_written() -> None:
    text = YAML.replace(
        "enable: true\n    server: 10.99.0.1:10004", "enabled: true\n    server: 10.99.0.1:10004"
    )
    wrong, answer = ignored("", text)
    assert load(after(planned(answer, wrong), text)).data == load(YAML).data


@pytest.mark.parametrize(
    "lines",
    [
        "    frobnicate: 1\n",  # nobody knows what that is
        "    taints: []\n",  # would decide what runs there
        "    nodeIp: 10.99.0.9\n    nodeIP: 10.99.0.2\n",  # which of the two
        "    clusterDNS: [10.43.0.10]\n    tailoredKubeletConfig:\n      clusterDNS: [10.96.0.10]\n",
        "    remoteRuntimeEndpoint: unix:///var/run/dockershim.sock\n",  # ignored so far, would stop edgecore
        "    maxContainerCount: 1\n    maxContainerCount: 2\n",
        "---\nmore: 1\n",
    ],
)
def test_what_is_ambiguous_is_left_to_a_person(lines: str) -> None:
    _, answer = ignored(lines)
    assert "a person has to decide" in told(answer)


def test_a_misplaced_key_that_says_what_counts_anyway_goes() -> None:
    lines = "    remoteRuntimeEndpoint: unix:///run/containerd/containerd.sock\n"
    wrong, answer = ignored(lines)
    plan = planned(answer, wrong)
    assert after(plan, YAML + lines) == YAML
    assert (plan.restarts, plan.risk) == ((), Risk.SAFE)  # edgecore reads what it read before


def test_a_value_of_a_wrong_type_is_not_moved_to_where_it_would_end_edgecore() -> None:
    _, answer = ignored("    containerLogMaxFiles: many\n")
    assert "a person has to decide" in told(answer)


# ---------------------------------------------------------------------------------- KE202 to KE204


def switched(
    text: str, certificates: EdgeCertificates | Unavailable = NOT_RECORDED, journal: str = ""
) -> Any:
    found = config(text)
    answer = judged_stream.edgestream_enabled(found, log(journal) if journal else NOT_RECORDED)
    wrong = verdict_of(judged_stream.edgestream_enabled, answer)
    return wrong, fix_edgestream.edgestream_enabled(wrong, found, certificates)


OFF = YAML.replace(
    "    enable: true\n    server: 10.99.0.1:10004", "    enable: false # why\n    server: 10.99.0.1:10004"
)


def test_edgestream_is_switched_on_with_its_timeouts() -> None:
    wrong, answer = switched(OFF)
    plan = planned(answer, wrong)
    expected = OFF.replace("enable: false # why", "enable: true # why")
    text = after(plan, OFF)
    assert text.startswith(expected[: expected.index("  edged:")])
    found = config(text)
    keys = ("handshakeTimeout", "readDeadline", "writeDeadline")
    assert [found.document.value(f"modules.edgeStream.{key}") for key in keys] == [30, 15, 15]
    assert plan.restarts == RESTART
    assert plan.settle >= 40


def test_keys_keep_the_spelling_of_the_file() -> None:
    odd = OFF.replace("edgeStream", "EdgeStream").replace("    enable: false", "    Enable: false")
    assert spelt(config(odd), "modules.edgeStream.enable") == "modules.EdgeStream.Enable"
    wrong, answer = switched(odd)
    assert config(after(planned(answer, wrong), odd)).stream_enabled


def test_a_section_that_is_not_there_is_made() -> None:
    text = YAML[: YAML.index("  edgeStream:")] + YAML[YAML.index("  edged:") :]
    wrong, answer = switched(text)
    assert config(after(planned(answer, wrong), text)).stream_enabled


def test_switching_on_also_names_files_that_exist() -> None:
    text = OFF.replace(
        "    server: 10.99.0.1:10004", "    tlsTunnelCertFile: /old/x.crt\n    server: 10.99.0.1:10004"
    )
    wrong, answer = switched(text, pair("/old/x.crt"))
    assert (
        config(after(planned(answer, wrong), text)).text("modules.edgeStream.tlsTunnelCertFile")
        == "/etc/kubeedge/certs/server.crt"
    )


def test_a_process_older_than_the_switch_is_only_restarted() -> None:
    wrong, answer = switched(
        YAML, journal=said(STARTED, "W Module edgestream is disabled, do not register", source="module.go:93")
    )
    plan = planned(answer, wrong)
    assert (plan.actions, plan.restarts) == ((), RESTART)


def dialled(text: str, service: Any = NOT_RECORDED, *, beside: bool = False, present: bool = False) -> Any:
    found = config(text)
    answer = judged_stream.edgestream_server(found, sockets(), unit(), NOT_RECORDED)
    wrong = verdict_of(judged_stream.edgestream_server, answer)
    seen = HubTunnel(tunnel_beside_hub(found, NOT_RECORDED, service), beside, present)
    return wrong, fix_edgestream.edgestream_server(wrong, found, seen)


@pytest.mark.parametrize("server", ["127.0.0.1:10004", "10.99.0.1:10003", "localhost:10004", "nonsense"])
def test_the_host_comes_from_edgehub_and_the_port_from_the_tunnel(server: str) -> None:
    text = YAML.replace("server: 10.99.0.1:10004", f"server: {server}   # document")
    wrong, answer = dialled(text)
    assert after(planned(answer, wrong), text) == text.replace(server + "   #", "10.99.0.1:10004   #")


def test_what_may_be_another_way_to_the_cloud_is_replaced_only_if_dialling_says_so() -> None:
    text = YAML.replace("server: 10.99.0.1:10004", "server: 10.98.0.1:10004")
    for beside, present in ((False, False), (True, True), (False, True)):
        _, answer = dialled(text, beside=beside, present=present)
        assert "may be another way to the same cloud" in told(answer)
    wrong, answer = dialled(text, beside=True)
    assert after(planned(answer, wrong), text) == YAML


def test_through_node_ports_the_tunnel_is_where_the_service_has_it() -> None:
    text = YAML.replace("10.99.0.1:10000", "10.99.0.1:30000").replace(
        "server: 10.99.0.1:10004", "server: 127.0.0.1:10004"
    )
    wrong, answer = dialled(text)
    assert "server: 10.99.0.1:30004" in after(planned(answer, wrong), text)
    ports = [{"name": "tunnelport", "port": 10004, "targetPort": "tunnelport", "nodePort": 31777}]
    spec = {"type": "NodePort", "ports": ports}
    wrong, answer = dialled(text, CloudcoreService(made(Service, metadata={"name": "cloudcore"}, spec=spec)))
    assert "server: 10.99.0.1:31777" in after(planned(answer, wrong), text)


def test_an_edgehub_that_dials_itself_is_no_model() -> None:
    _, answer = dialled(YAML.replace("10.99.0.1", "127.0.0.1"))
    assert "edgeHub does not name the cloud either" in told(answer)


def test_dialling_asks_for_tls_where_a_port_is_open() -> None:
    open_, peer = Connection("10.99.0.1", 0.01), TlsPeer((b"x",))
    answers = {OpenTcp("10.99.0.1", 10004): open_, OpenTls("10.99.0.1", 10004): peer}
    found = hub_tunnel(
        Wire(FakeSource(answers)), samples.edited(server="10.98.0.1:10004"), NOT_RECORDED, NOT_RECORDED
    )
    assert found == HubTunnel(HostPort("10.99.0.1", 10004), answers=True, present_answers=False)


def test_the_tunnel_gets_edgehubs_pair_if_that_is_there() -> None:
    text = YAML.replace(
        "    server: 10.99.0.1:10004", "    tlsTunnelPrivateKeyFile: /old/x.key\n    server: 10.99.0.1:10004"
    )
    found = config(text)
    wrong = verdict_of(ke204, ke204(found, pair("/old/x.key")))
    plan = planned(fix_edgestream.edgestream_cert_paths(wrong, found, pair("/old/x.key")), wrong)
    assert "tlsTunnelPrivateKeyFile: /etc/kubeedge/certs/server.key" in after(plan, text)
    gone = replace(pair(), key=KeyFile("/etc/kubeedge/certs/server.key", ABSENT))
    assert "KE401" in told(fix_edgestream.edgestream_cert_paths(wrong, found, gone))
