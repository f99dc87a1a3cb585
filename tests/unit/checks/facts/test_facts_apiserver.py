"""How kube-apiserver reaches kubelets: its own flags, or what K3s makes of its files, unit and environment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloud_samples import MISSING, NOW, Answers, file

from kedoctor.api import (
    FactUnavailableError,
    FileMetadata,
    Files,
    Host,
    Process,
    Processes,
    Reason,
    Unavailable,
    Unit,
)
from kedoctor.checks.facts.cloud.apiserver_flags import (
    ApiserverArguments,
    KubeletCa,
    apiserver_arguments,
    kubelet_ca,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, is_k3s_server
from kedoctor.checks.roles import kedoctor_sides

CONFIG = "/etc/rancher/k3s/config.yaml"
K3S = CloudProcesses(k3s=Process(7, 1, "k3s-server", ("/usr/local/bin/k3s server",), started=NOW))
CA = "/var/lib/rancher/k3s/server/tls/server-ca.crt"
EARLIER = NOW - timedelta(hours=1)


def unit(*arguments: str, **more: Any) -> Unit:
    return Unit(
        "k3s.service",
        "loaded",
        "active",
        "running",
        fragment_path="/etc/systemd/system/k3s.service",
        exec_start=("/usr/local/bin/k3s", "server", *arguments),
        **more,
    )


def k3s(
    answers: dict[str, Any], fragments: dict[str, str] | None = None, *words: str, **more: Any
) -> ApiserverArguments:
    base = more.pop("base", CONFIG)
    files = {
        f"{base}.d/{name}": file(f"{base}.d/{name}", text, EARLIER)
        for name, text in (fragments or {}).items()
    }
    listed = Files(tuple(FileMetadata(path, "file", 0o600, 0, 0, 1, EARLIER) for path in sorted(files)))
    given = {"k3s.service": unit(*words, **more), f"{base}.d/*": listed}
    read = {
        path: file(path, text, EARLIER) if isinstance(text, str) else text for path, text in answers.items()
    }
    found = apiserver_arguments(Host(Answers({**given, **files, **read})), K3S)
    assert isinstance(found, ApiserverArguments)
    return found


def test_flags_of_a_kube_apiserver_of_its_own() -> None:
    argv = (
        "kube-apiserver",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP",
        "--kubelet-certificate-authority",
        "/ca.crt",
    )
    process = CloudProcesses(apiserver=Process(58, 0, "kube-apiserver", argv))
    found = apiserver_arguments(Host(Answers({})), process)
    assert isinstance(found, ApiserverArguments)
    assert not found.is_k3s
    assert found.egress_selector_mode == "disabled"
    assert found.kubelet_certificate_authority == "/ca.crt"
    assert found.kubelet_preferred_address_types == ("InternalIP", "ExternalIP")
    assert found.source("kubelet-certificate-authority") == "command line of kube-apiserver (pid 58)"


def test_defaults_of_a_bare_kube_apiserver() -> None:
    process = CloudProcesses(apiserver=Process(58, 0, "kube-apiserver", ("kube-apiserver",)))
    found = apiserver_arguments(Host(Answers({})), process)
    assert isinstance(found, ApiserverArguments)
    assert found.kubelet_certificate_authority is None
    assert found.kubelet_preferred_address_types[0] == "Hostname"


def test_defaults_of_k3s() -> None:
    found = k3s({})
    assert found.is_k3s
    assert (found.egress_selector_mode, found.source("egress-selector-mode")) == ("agent", "default")
    assert found.kubelet_certificate_authority == CA
    assert found.kubelet_preferred_address_types == ("InternalIP", "ExternalIP", "Hostname")


@pytest.mark.parametrize(
    ("config", "fragments", "words", "mode", "source"),
    [
        ("egress-selector-mode: disabled\n", {}, (), "disabled", f"{CONFIG}, line 1"),
        (
            "token: x\negress-selector-mode: pod\n",
            {"a.yaml": "egress-selector-mode: disabled\n"},
            (),
            "disabled",
            f"{CONFIG}.d/a.yaml, line 1",
        ),
        (
            "",
            {"b.yaml": "egress-selector-mode: cluster\n", "a.yml": "egress-selector-mode: disabled\n"},
            (),
            "cluster",
            f"{CONFIG}.d/b.yaml, line 1",
        ),
        ("", {"z.yaml.bak": "egress-selector-mode: disabled\n"}, (), "agent", "default"),
        (
            "egress-selector-mode: agent\n",
            {},
            ("--egress-selector-mode=disabled",),
            "disabled",
            "ExecStart of /etc/systemd/system/k3s.service",
        ),
        (
            "egress-selector-mode: disabled\n",
            {},
            ("--egress-selector-mode", "agent"),
            "agent",
            "ExecStart of /etc/systemd/system/k3s.service",
        ),
    ],
)
def test_what_wins(
    config: str, fragments: dict[str, str], words: tuple[str, ...], mode: str, source: str
) -> None:
    found = k3s({CONFIG: config} if config else {}, fragments, *words)
    assert (found.egress_selector_mode, found.source("egress-selector-mode")) == (mode, source)


@pytest.mark.parametrize(
    ("config", "fragments", "words", "authority"),
    [
        ("kube-apiserver-arg: kubelet-certificate-authority=\n", {}, (), None),
        ("kube-apiserver-arg:\n- v=2\n- kubelet-certificate-authority=\n", {}, (), None),
        (
            "kube-apiserver-arg:\n- kubelet-certificate-authority=\n",
            {"a.yaml": "kube-apiserver-arg: [v=2]\n"},
            (),
            CA,
        ),
        (
            "kube-apiserver-arg:\n- kubelet-certificate-authority=\n",
            {"a.yaml": "kube-apiserver-arg+: [v=2]\n"},
            (),
            None,
        ),
        ("", {}, ("--kube-apiserver-arg=kubelet-certificate-authority=",), None),
        (
            "kube-apiserver-arg: [v=2]\n",
            {},
            ("--kube-apiserver-arg", "kubelet-certificate-authority=/my.crt"),
            "/my.crt",
        ),
        ("data-dir: /data\n", {}, (), "/data/server/tls/server-ca.crt"),
    ],
)
def test_lists_are_joined_unless_a_later_file_replaces_them(
    config: str, fragments: dict[str, str], words: tuple[str, ...], authority: str | None
) -> None:
    assert (
        k3s({CONFIG: config} if config else {}, fragments, *words).kubelet_certificate_authority == authority
    )


def test_address_types_can_be_put_in_front() -> None:
    found = k3s(
        {
            CONFIG: "kube-apiserver-arg: kubelet-preferred-address-types-=ExternalDNS\nflannel-external-ip: true\n"
        }
    )
    assert found.kubelet_preferred_address_types == ("ExternalDNS", "ExternalIP", "InternalIP", "Hostname")


def test_another_file_named_by_the_environment() -> None:
    env = "/etc/systemd/system/k3s.service.env"
    found = k3s(
        {
            env: "K3S_CONFIG_FILE='/opt/k3s.yaml'\n# K3S_URL=x\n",
            "/opt/k3s.yaml": "egress-selector-mode: disabled\n",
        },
        base="/opt/k3s.yaml",
        environment_files=(f"-{env}",),
    )
    assert found.source("egress-selector-mode") == "/opt/k3s.yaml, line 1"
    named = k3s(
        {"/opt/x.yaml": "egress-selector-mode: disabled\n"}, {}, "--config", "/opt/x.yaml", base="/opt/x.yaml"
    )
    assert named.egress_selector_mode == "disabled"


def test_arguments_that_k3s_did_not_hide_count_before_the_unit() -> None:
    process = Process(7, 1, "k3s", ("/bin/k3s", "server", "--egress-selector-mode=disabled"))
    found = apiserver_arguments(Host(Answers({})), CloudProcesses(k3s=process))
    assert isinstance(found, ApiserverArguments)
    assert found.source("egress-selector-mode") == "command line of k3s (pid 7)"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("egress-selector-mode: [\n", Reason.INVALID),
        (Unavailable(Reason.PERMISSION, CONFIG, "permission denied to uid 1000"), Reason.PERMISSION),
    ],
)
def test_a_file_that_cannot_be_read_leaves_all_unknown(answer: Any, reason: Reason) -> None:
    with pytest.raises(FactUnavailableError) as missing:
        k3s({CONFIG: answer})
    assert missing.value.unavailable.reason is reason


def test_a_file_written_after_the_start_may_not_be_in_force() -> None:
    assert not k3s({CONFIG: "egress-selector-mode: disabled\n"}).edited_after_start
    later = file(CONFIG, "egress-selector-mode: disabled\n", datetime(2027, 1, 1, tzinfo=UTC))
    assert k3s({CONFIG: later}).edited_after_start


def test_a_host_without_an_api_server() -> None:
    host = Host(Answers({}))
    absent = apiserver_arguments(host, CloudProcesses())
    assert isinstance(absent, Unavailable)
    assert absent.reason is Reason.ABSENT
    assert apiserver_arguments(host, MISSING) is MISSING


def test_the_ca_file_is_read_where_one_is_named() -> None:
    host = Host(Answers({CA: file(CA, "-----BEGIN CERTIFICATE-----")}))
    named = kubelet_ca(host, k3s({}))
    assert isinstance(named, KubeletCa)
    assert (named.path, named.pem[:10]) == (CA, b"-----BEGIN")
    none = kubelet_ca(host, k3s({CONFIG: "kube-apiserver-arg: kubelet-certificate-authority=\n"}))
    assert isinstance(none, Unavailable)


# ------------------------------------------------------------------------------------------------ sides


@pytest.mark.parametrize(
    ("argv", "name", "is_server"),
    [
        (("/usr/local/bin/k3s server",), "k3s-server", True),
        (("/usr/local/bin/k3s", "server", "--x"), "k3s", True),
        (("/usr/local/bin/k3s agent",), "k3s-agent", False),
        (("k3s",), "k3s", False),
    ],
)
def test_a_k3s_server_is_told_from_an_agent(argv: tuple[str, ...], name: str, is_server: bool) -> None:
    assert is_k3s_server(Process(7, 1, name, argv)) is is_server


def running(*programs: str) -> dict[str, Any]:
    return {
        "ListProcesses": Processes(tuple(Process(9, 1, name, (f"/usr/bin/{name}",)) for name in programs))
    }


@pytest.mark.parametrize(
    ("answers", "sides"),
    [
        ({}, set()),
        (running("sshd", "kubelet"), set()),
        (running("kube-apiserver"), {"cloud"}),
        (running("cloudcore"), {"cloud"}),
        (running("edgecore"), {"edge"}),
        (running("cloudcore", "edgecore"), {"cloud", "edge"}),
        ({"/etc/kubeedge/config/edgecore.yaml": FileMetadata("x", "file", 0o600, 0, 0, 1, NOW)}, {"edge"}),
        ({"/var/lib/rancher/k3s/server/tls": FileMetadata("x", "directory", 0o700, 0, 0, 1, NOW)}, {"cloud"}),
        ({"k3s.service": unit()}, {"cloud"}),
        ({"edgecore.service": Unit("edgecore.service", "not-found", "inactive", "dead")}, set()),
    ],
)
def test_which_side_a_host_is(answers: dict[str, Any], sides: set[str]) -> None:
    assert set(kedoctor_sides(Host(Answers(answers)))) == sides
