"""The facts of an edge host, made from what a host, a wire, a cluster and a clock answer."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from edge_samples import NOW, STARTED, YAML, Pki, config, later, metadata, said, unit

from kedoctor.api import Clock, Cluster, FactUnavailableError, File, Host, Reason, Unavailable, Wire
from kedoctor.base.records import decode
from kedoctor.checks.facts.cluster.secrets import StreamSecret, kubeedge_secrets
from kedoctor.checks.facts.edge.certificates import edge_certificates
from kedoctor.checks.facts.edge.clock import Validity, host_time, site_clock, trusted_clock
from kedoctor.checks.facts.edge.edgecore import (
    CONFIG_PATH,
    EdgecoreConfig,
    EdgeName,
    edgecore_config,
    edgecore_file,
    edgecore_unit,
)
from kedoctor.checks.facts.edge.edgecore_log import edgecore_log, quoted, read_log
from kedoctor.checks.facts.edge.host import (
    CgroupSetting,
    cgroup_setting,
    edge_addresses,
    edge_resources,
    kubelet_unit,
)
from kedoctor.checks.facts.edge.sockets_and_probes import cloud_ca, cloud_ports, edge_sockets, edged_health
from kedoctor.checks.parsers.host_port import (
    HostPort,
    is_loopback,
    is_unspecified,
    parse_host_port,
    same_host,
)
from kedoctor.checks.parsers.kubernetes import Secret
from kedoctor.model.observations.apiserver import ApiAnswer, GetPath, ListObjects
from kedoctor.model.observations.files import ReadFile
from kedoctor.model.observations.logs import LogText, ReadJournal
from kedoctor.model.observations.machine import Now, ReadClock, ReadResources, Resources
from kedoctor.model.observations.network import Addresses, InterfaceAddress, ListAddresses
from kedoctor.model.observations.processes import ListProcesses, Process, Processes
from kedoctor.model.observations.request import Request
from kedoctor.model.observations.tools import RunTool, ToolOutput
from kedoctor.model.observations.units import ReadUnit, Unit
from kedoctor.model.observations.wire import Connection, GetHttp, HttpAnswer, OpenTcp


class World:
    """Answers what it was told, and that everything else was not recorded."""

    def __init__(self, *answers: tuple[Request, Any]) -> None:
        self.answers = dict(answers)

    def observe(self, request: Request) -> Any:
        return self.answers.get(request, Unavailable(Reason.NOT_RECORDED, repr(request)))


def read(path: str, data: bytes, mode: int = 0o600) -> tuple[Request, Any]:
    return ReadFile(path), File(metadata(path, mode), data)


# ------------------------------------------------------------------------------------------- edgecore


def test_the_file_that_edgecore_was_started_with() -> None:
    process = Process(1, 0, "edgecore", ("/usr/local/bin/edgecore", "--config", "/opt/e.yaml"))
    host = Host(World((ListProcesses(), Processes((process,))), read("/opt/e.yaml", YAML.encode())))
    found = edgecore_unit(host)
    assert (found.runs, found.arguments[1]) == (True, "--config")
    assert edgecore_file(host, found).path == "/opt/e.yaml"
    other = Process(1, 0, "edgecore", ("/usr/local/bin/edgecore", "--config=/srv/x.yaml"))
    found = edgecore_unit(Host(World((ListProcesses(), Processes((other,))))))
    assert edgecore_file(Host(World()), found).path == "/srv/x.yaml"
    assert edgecore_file(Host(World()), edgecore_unit(Host(World()))).path == CONFIG_PATH


def test_what_the_configuration_means() -> None:
    found = config()
    assert (found.stream_enabled, found.stream_server) == (True, HostPort("10.99.0.1", 10004))
    assert (found.hub_server, found.http_server) == (
        HostPort("10.99.0.1", 10000),
        HostPort("10.99.0.1", 10002),
    )
    assert [role for role, _ in found.cloud_servers()] == ["hub", "https", "tunnel"]
    assert found.text("modules.edgeHub.tlsCaFile") == "/etc/kubeedge/ca/rootCA.crt", "a code default"
    assert (found.line("modules.edgeStream.server"), found.line("modules.edgeHub.heartbeat")) == (11, None)
    assert found.number("modules.edged.tailoredKubeletConfig.readOnlyPort") == 10350


def test_quic_takes_the_place_of_the_websocket() -> None:
    text = YAML.replace(
        "    websocket:\n      enable: true\n",
        "    quic:\n      enable: true\n      server: 10.99.0.1:10001\n    websocket:\n      enable: false\n",
    )
    found = config(text)
    assert found.hub_server == HostPort("10.99.0.1", 10001)
    assert [role for role, _ in found.cloud_servers()] == ["https", "tunnel"], "UDP is not probed"


def test_a_file_that_cannot_be_read_makes_no_configuration() -> None:
    state = edgecore_unit(Host(World()))
    broken = edgecore_file(Host(World(read(CONFIG_PATH, b"a: ["))), state)
    found = edgecore_config(broken, EdgeName("edge1"))
    assert isinstance(found, Unavailable)
    assert found.reason is Reason.INVALID
    huge = World((ReadFile(CONFIG_PATH), File(metadata(CONFIG_PATH), b"a: b", truncated=True)))
    found = edgecore_config(edgecore_file(Host(huge), state), EdgeName("edge1"))
    assert isinstance(found, Unavailable)


def test_wrong_types_do_not_break_the_facts() -> None:
    found = config("modules:\n  edgeStream: [1]\n  edgeHub:\n    websocket: 7\n")
    assert isinstance(found, EdgecoreConfig)
    assert found.hub_server is None
    assert any(deviation.fatal for deviation in found.violations)


# ------------------------------------------------------------------------------------------------ log

CRASHES = (
    "Nov 23 04:02:06 edge1 systemd[1]: Started edgecore.service.\n"
    "F1123 04:02:06.370969    5040 server.go:68] failed to unmarshal configfile x, err: y\n"
    "Nov 23 04:02:06 edge1 systemd[1]: edgecore.service: Main process exited, code=exited, status=1/FAILURE\n"
    "Nov 23 04:02:16 edge1 systemd[1]: edgecore.service: Scheduled restart job.\n"
    "I1123 04:02:16.457646    5065 server.go:104] Version: v1.22.0\n"
    "I1123 04:02:16.557646    5065 module.go:90] Module edgestream registered successfully\n"
)


def test_the_last_run_is_that_of_the_last_process() -> None:
    found = read_log(CRASHES, NOW)
    assert [line.pid for line in found.last_run] == [5065, 5065]
    assert found.ended_with() is None
    last = found.last_fatal()
    assert last is not None
    assert "unmarshal" in last.raw
    assert found.module_registered("edgestream") is True
    assert found.module_registered("servicebus") is None
    assert read_log("", NOW).last_run == ()


# A host that is booted gives its processes the same numbers again; recorded on KubeEdge v1.22.2, names replaced.
TWO_BOOTS = (
    "2026-11-30T11:30:42.474117+0000 edge1 systemd[1]: Started edgecore.service.\n"
    "2026-11-30T11:30:42.716284+0000 edge1 edgecore[78]: I1130 11:30:42.713750      78 server.go:104] Version: v1.22.2\n"
    "2026-11-30T11:30:42.734559+0000 edge1 edgecore[78]: F1130 11:30:42.734461      78 edged.go:152] Start edged failed,"
    " err: failed to run Kubelet: validate service connection: validate CRI v1 runtime API for endpoint"
    ' "unix:///run/containerd/containerd.sock": rpc error: code = Unavailable desc = connection error\n'
    "2026-11-30T11:30:42.781770+0000 edge1 systemd[1]: edgecore.service: Main process exited, code=exited, status=2\n"
    "2026-11-30T11:30:52.827271+0000 edge1 systemd[1]: Started edgecore.service.\n"
    "2026-11-30T11:30:52.933709+0000 edge1 edgecore[105]: I1130 11:30:52.932284     105 server.go:104] Version: v1.22.2\n"
    "{boot}"
    "2026-11-30T12:48:30.507604+0000 edge1 edgecore[78]: I1130 12:48:30.507607      78 server.go:104] Version: v1.22.2\n"
    "2026-11-30T12:48:46.536695+0000 edge1 edgecore[78]: I1130 12:48:46.536522      78 edgestream.go:121] Start a new"
    " tunnel stream connection ...\n"
)


@pytest.mark.parametrize(
    "boot",
    [
        "-- Boot 46204266d7774ca6b069550a47b2547c --\n",
        "-- Reboot --\n",
        "2026-11-30T12:48:30.234530+0000 edge1 systemd[1]: Started edgecore.service.\n",
    ],
)
def test_a_process_that_got_the_number_of_an_earlier_one_is_another_run(boot: str) -> None:
    found = read_log(TWO_BOOTS.replace("{boot}", boot), datetime(2026, 11, 30, 12, 50, tzinfo=UTC))
    assert len(found.last_run) == 2
    assert found.ended_with() is None
    assert found.newest("validate CRI v1 runtime API") is None
    assert found.last_fatal() is not None


def life(pid: int, start: datetime, seconds: float, end: str) -> str:
    """A run of edgecore, and what systemd says of its end and of the next start."""
    last = start + timedelta(seconds=seconds)
    return (
        f"I{start:%m%d %H:%M:%S.%f}    {pid} server.go:104] Version: v1.22.2\n"
        f"{last.isoformat()} edge1 edgecore[{pid}]: {end.format(at=f'{last:%m%d %H:%M:%S.%f}', pid=pid)}\n"
        f"{last.isoformat()} edge1 systemd[1]: edgecore.service: Main process exited, code=exited, status=2\n"
        f"{(last + timedelta(seconds=10)).isoformat()} edge1 systemd[1]: Started edgecore.service.\n"
    )


PANIC, REFUSES = (
    "panic: send on closed channel",
    "F{at}    {pid} server.go:68] failed to unmarshal configfile x",
)


@pytest.mark.parametrize(
    ("lives", "dying"),
    [
        ([(300.0, PANIC), (3.0, PANIC)], False),  # recorded: the second came of a kubectl exec
        ([(300.0, PANIC)], False),
        ([(3.0, PANIC), (4.0, PANIC)], True),
        ([(300.0, PANIC), (0.3, REFUSES)], True),
        ([(0.3, REFUSES), (300.0, PANIC)], False),
    ],
)
def test_one_panic_is_no_crash_loop(lives: list[tuple[float, str]], *, dying: bool) -> None:
    moment, text = later(-1200, NOW), ""
    for place, (seconds, end) in enumerate(lives):
        text += life(100 + place, moment, seconds, end)
        moment += timedelta(seconds=seconds + 10)
    ended = read_log(text, moment)
    assert (ended.ended_once() is None) is dying
    running = read_log(text + life(200, moment, 5, "I{at}    {pid} x.go:1] y"), moment)
    assert running.keeps_dying(moment) is dying
    assert running.keeps_dying(moment + timedelta(minutes=11)) is False


def test_the_journal_or_an_old_log_file() -> None:
    clock = Clock(World((ReadClock(), Now(NOW))))
    journal = World((ReadJournal("edgecore.service", 2000), LogText(CRASHES)))
    assert not isinstance(edgecore_log(Host(journal), clock), Unavailable)
    old = World(
        (ReadFile("/var/log/kubeedge/edgecore.log", 1 << 20, True), File(metadata("x"), CRASHES.encode()))
    )
    assert not isinstance(edgecore_log(Host(old), clock), Unavailable)
    assert isinstance(edgecore_log(Host(World()), clock), Unavailable)


def test_a_malformed_token_is_never_quoted() -> None:
    (line,) = read_log(
        "panic: failed to apply the edge certs, err: token s3cr3t.x.y credentials are in the wrong format",
        NOW,
    ).lines
    assert "s3cr3t" not in quoted(line)


# ---------------------------------------------------------------------------------------------- clock


def times(date: datetime | None, now: datetime = NOW, log: str = "") -> Any:
    clock = Clock(World((ReadClock(), Now(now))))
    url = "https://10.99.0.1:10002/ca.crt"
    wire = Wire(World((GetHttp(url, timeout=5.0), HttpAnswer(200, b"", date)))) if date else Wire(World())
    try:
        served: Any = cloud_ca(wire, config())
    except FactUnavailableError as missing:
        served = missing.unavailable
    return trusted_clock(clock, served, read_log(log, now))


@pytest.mark.parametrize("off", [0, 100, -100, 4000])
def test_a_clock_against_the_cloud(off: int) -> None:
    found = times(NOW - timedelta(seconds=off))
    assert found.checked
    assert abs(found.skew_seconds - off) <= 1
    assert found.believed == (abs(off) <= 300)


def test_a_clock_against_nothing() -> None:
    found = times(None)
    assert (found.checked, found.believed, found.skew_seconds) == (False, False, None)
    assert found.validity(STARTED, later(1e9)) is Validity.UNSURE
    assert found.own_validity(STARTED, later(1e9)) is Validity.VALID


def refusal(moment: datetime, quoted_: str) -> str:
    text = f"E failed to get edge certificate from CloudCore:failed to call http, code: 401, message: failed to verify the certificate for edgenode: edge1, err: x509: certificate has expired or is not yet valid: current time {quoted_} is after 2026-11-22T03:40:29Z"
    return said(moment, text, source="certmanager.go:206")


def test_cloudcore_names_its_time_when_it_refuses() -> None:
    found = times(None, log=refusal(NOW, "2026-11-23T04:00:00Z"))
    assert (found.checked, found.skew_seconds) == (True, 0.0)
    assert found.validity(NOW - timedelta(days=2), NOW - timedelta(days=1)) is Validity.EXPIRED


def test_a_local_time_without_its_zone_is_not_taken_for_skew() -> None:
    assert not times(None, log=refusal(NOW, "2026-11-22T20:00:00Z")).checked
    wrapped = "2026-11-23T04:00:00.000000+0000 edge1 edgecore[645]: " + refusal(NOW, "2026-11-23T03:30:00Z")
    assert times(None, log=wrapped).skew_seconds == 1800.0


def test_an_old_refusal_says_nothing_about_now() -> None:
    assert not times(None, now=NOW + timedelta(days=2), log=refusal(NOW, "2026-11-23T04:00:00Z")).checked


def test_the_clock_beside_the_kubeconfig() -> None:
    clock = Clock(World((ReadClock(), Now(NOW))))
    version = GetPath("/version")
    assert site_clock(clock, Cluster(World((version, ApiAnswer(200, b"{}", NOW))))).believed
    assert not site_clock(clock, Cluster(World((version, ApiAnswer(200, b"{}"))))).checked
    assert not site_clock(clock, Cluster(World())).checked
    assert host_time(clock).now == NOW


# ------------------------------------------------------------------------------- certificates, Secrets


def test_certificate_files() -> None:
    pki = Pki()
    files = edge_certificates(
        Host(
            World(
                read("/etc/kubeedge/ca/rootCA.crt", pki.ca.certificate),
                read("/etc/kubeedge/certs/server.crt", pki.edge.certificate),
                read("/etc/kubeedge/certs/server.key", pki.edge.key),
            )
        ),
        config(),
    )
    assert files.certificate.certificate is not None
    assert files.certificate.certificate.common_name == "system:node:edge1"
    assert files.key.spki_sha256 == files.certificate.certificate.spki_sha256
    assert isinstance(files.tunnel_files["/etc/kubeedge/certs/server.crt"], Unavailable)


def test_a_redacted_key_keeps_its_fingerprint() -> None:
    digest = "a" * 64
    placeholder = f"[redacted private key spki-sha256={digest} token=0f3a6c1d9e42]".encode()
    host = Host(
        World(
            read("/etc/kubeedge/certs/server.key", placeholder), read("/etc/kubeedge/certs/server.crt", b"x")
        )
    )
    files = edge_certificates(host, config())
    assert (files.key.redacted, files.key.spki_sha256, files.key.error) == (True, digest, "")
    assert files.certificate.error
    nowhere = edge_certificates(
        host, config(YAML.replace("    httpServer", "    tlsCertFile: ''\n    httpServer"))
    )
    assert isinstance(nowhere.certificate.metadata, Unavailable)


def secret(name: str, **data: bytes | str) -> Secret:
    encoded = {
        k.replace("_", "."): v if isinstance(v, str) else base64.b64encode(v).decode()
        for k, v in data.items()
    }
    return decode(__import__("json").dumps({"metadata": {"name": name}, "data": encoded}), Secret)


def test_secrets_each_on_its_own() -> None:
    request = ListObjects("Secret", "kubeedge")
    listed = (
        secret("casecret", cadata=b"der"),
        secret("tokensecret", tokendata="[redacted jwt token=x]"),
        secret("cloudcore", stream_crt=b"pem"),
    )
    found = kubeedge_secrets(Cluster(World((request, listed))))
    assert (found.ca, found.token) == (b"der", "[redacted jwt token=x]")
    assert isinstance(found.cloudcore, Unavailable)
    assert found.stream == StreamSecret(("stream.crt",), b"", b"pem")
    broken = kubeedge_secrets(
        Cluster(World((request, (secret("casecret", cadata="%%%"), secret("tokensecret")))))
    )
    assert isinstance(broken.ca, Unavailable)
    assert isinstance(broken.token, Unavailable)
    assert isinstance(broken.stream, Unavailable)
    with pytest.raises(FactUnavailableError):
        kubeedge_secrets(Cluster(World()))


# ------------------------------------------------------------------------------------ runtime and wire


def test_the_cgroup_setting_follows_the_endpoint() -> None:
    toml = b'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\nSystemdCgroup = true\n'
    found = cgroup_setting(Host(World(read("/etc/containerd/config.toml", toml))), config(), unit())
    assert isinstance(found, CgroupSetting)
    assert found.driver == "systemd"
    gone = World((ReadFile("/etc/containerd/config.toml"), Unavailable(Reason.ABSENT, "x")))
    found = cgroup_setting(Host(gone), config(), unit())
    assert isinstance(found, CgroupSetting)
    assert (found.driver, "default" in found.line) == ("cgroupfs", True)
    assert isinstance(cgroup_setting(Host(World()), config(), unit()), Unavailable), (
        "not recorded is not absent"
    )


def endpoint(path: str) -> EdgecoreConfig:
    return config(YAML + f"    tailoredKubeletConfig:\n      containerRuntimeEndpoint: unix://{path}\n")


def test_docker_is_asked_and_others_are_not_known() -> None:
    ask = RunTool("docker", ("info", "--format", "{{.CgroupDriver}}"), 10.0)
    docker = World((ask, ToolOutput(("docker",), 0, "systemd\n", "")))
    found = cgroup_setting(Host(docker), endpoint("/var/run/cri-dockerd.sock"), unit())
    assert isinstance(found, CgroupSetting)
    assert (found.runtime, found.driver) == ("docker", "systemd")
    down = World((ask, ToolOutput(("docker",), 1, "", "Cannot connect")))
    assert isinstance(cgroup_setting(Host(down), endpoint("/var/run/cri-dockerd.sock"), unit()), Unavailable)
    assert isinstance(cgroup_setting(Host(World()), endpoint("/run/crio/crio.sock"), unit()), Unavailable)


def test_the_rest_of_the_machine() -> None:
    addresses = Addresses(
        (InterfaceAddress("eth0", "10.99.0.2", 24), InterfaceAddress("eth0", "fe80::1", 64)),
        "eth0",
        "10.99.0.254",
    )
    found = edge_addresses(Host(World((ListAddresses(), addresses))))
    assert (found.default_route, found.has("10.99.0.2"), found.has("10.0.0.1")) == ("10.99.0.2", True, False)
    resources = Resources(2, 1, 1, 1, 1)
    assert edge_resources(Host(World((ReadResources("/"), resources)))).resources == resources
    assert not kubelet_unit(Host(World())).enabled
    enabled = Unit("kubelet.service", "loaded", "inactive", "dead", "enabled")
    assert kubelet_unit(Host(World((ReadUnit("kubelet.service"), enabled)))).enabled


def test_probes_of_what_is_dialled() -> None:
    made = Connection("10.99.0.1", 0.001)
    wire = Wire(World((OpenTcp("10.99.0.1", 10000), made)))
    hub, https, tunnel = cloud_ports(wire, config()).probes
    assert (hub.tcp, isinstance(hub.tls, Unavailable)) == (made, True)
    assert isinstance(https.tcp, Unavailable)
    assert tunnel.tls is None
    assert isinstance(edged_health(wire).answer, Unavailable)
    nowhere = cloud_ca(wire, config(YAML.replace("    httpServer: https://10.99.0.1:10002\n", "")))
    assert isinstance(nowhere, Unavailable)
    with pytest.raises(FactUnavailableError):
        edge_sockets(Host(World()))


# -------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.99.0.1:10004", HostPort("10.99.0.1", 10004)),
        ("[fd00::1]:10004", HostPort("fd00::1", 10004)),
        ("https://cloud.example:10002", HostPort("cloud.example", 10002)),
        ("https://cloud.example", HostPort("cloud.example", 443)),
        ("cloud", HostPort("cloud", 443)),
        (":10004", HostPort("", 10004)),
        ("cloud:", None),
        ("cloud:port", None),
        ("cloud:99999", None),
        ("", None),
        (None, None),
    ],
)
def test_addresses_as_they_are_written(text: object, expected: HostPort | None) -> None:
    assert parse_host_port(text, 443) == expected


def test_kinds_of_hosts() -> None:
    assert all(
        map(
            is_loopback,
            ("127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST.", "0.0.0.0", "::ffff:127.0.0.1", ""),
        )
    )
    assert not any(map(is_loopback, ("10.0.0.1", "cloud", "fd00::1")))
    assert is_unspecified("::")
    assert not is_unspecified("127.0.0.1")
    assert same_host("::ffff:10.0.0.1", "10.0.0.1")
    assert same_host("Cloud.example.", "cloud.example")
    assert not same_host("10.0.0.1", "cloud")
    assert str(HostPort("fd00::1", 1)) == "[fd00::1]:1"
    assert NOW.tzinfo is UTC
