"""Collecting: what is allowed and what never is, that everything asked is recorded, and that secrets stay here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kedoctor.checks.evidence_rules import EVIDENCE
from kedoctor.checks.parsers.kubernetes import Metadata, Secret
from kedoctor.evidence.archive import read_archive
from kedoctor.evidence.bundle import EvidenceWriter
from kedoctor.evidence.collect import collect
from kedoctor.evidence.recording import AllowList, RecordingSource
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.model.declarations import EvidenceRules
from kedoctor.model.observations.apiserver import ApiAnswer, GetPath, ListObjects
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.logs import LogText, ReadJournal, ReadPodLog
from kedoctor.model.observations.machine import Identity, Now, ReadClock, ReadIdentity
from kedoctor.model.observations.processes import ListProcesses, Process, Processes
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import RunTool, ToolOutput
from kedoctor.model.observations.units import ReadUnit, Unit
from kedoctor.model.observations.wire import GetHttp, OpenTcp
from kedoctor.observe.memo import MemoSource
from kedoctor.pki import certificates

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
CANARY = "hunter2Canary"
KEY = certificates.make_ca("KubeEdge", NOW).key


def metadata(path: str) -> FileMetadata:
    return FileMetadata(path, "file", 0o600, 0, 0, 9, NOW)


class World:
    """Answers from a table and remembers what it was asked."""

    def __init__(self, answers: dict[Request, Any]) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    def observe(self, request: Request) -> Any:
        self.asked.append(request)
        return self.answers.get(request, Unavailable(Reason.ABSENT, "it", "it does not exist"))


ALLOWED = AllowList([EVIDENCE])


@pytest.mark.parametrize(
    "path",
    [
        "/etc/kubeedge",
        "/etc/kubeedge/config/edgecore.yaml",
        "/etc/kubeedge/ca/rootCA.crt",
        "/etc/rancher/k3s/config.yaml.d/10-kedoctor.yaml",
        "/etc/systemd/system/k3s.service.d/override.conf",
        "/proc/net/ip_tables_names",
        "/etc/kubeedge/certs/../config/edgecore.yaml",
    ],
)
def test_what_facts_read_is_allowed(path: str) -> None:
    assert ALLOWED.file(path)


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/kubeedge/edgecore.db",
        "/root/.bash_history",
        "/home/admin/.bash_history",
        "/etc/shadow",
        "/root/.ssh/id_rsa",
        "/etc/kubeedge/../shadow",
        "/etc/kubeedge-other/x",
        "/proc/1/environ",
        "/root/.kube/config",
        "etc/kubeedge/x",
        "",
    ],
)
def test_what_must_never_be_collected_is_not(path: str) -> None:
    assert not ALLOWED.file(path)


RULES = [
    EvidenceRules(files=("/etc/a/**", "/etc/b/*.conf"), units=("a.service", "b-*.service"), tools=("ip",)),
    EvidenceRules(files=("/etc/hosts",)),
]


def recording(tmp_path: Path, answers: dict[Request, Any]) -> tuple[RecordingSource, World, EvidenceWriter]:
    world = World(answers)
    writer = EvidenceWriter(tmp_path / "b.tgz", created=NOW, salt=b"s")
    return RecordingSource(world, writer, RULES), world, writer


@pytest.mark.parametrize(
    ("request_", "admitted"),
    [
        (ReadFile("/etc/a/b/c"), True),
        (ReadFile("/etc/hosts"), True),
        (StatFile("/etc/b/x.conf"), True),
        (StatFile("/etc/b/deeper/x.conf"), False),
        (ReadFile("/etc/a/../passwd"), False),
        (ReadUnit("b-1.service"), True),
        (ReadJournal("c.service"), False),
        (RunTool("ip", ("addr",)), True),
        (RunTool("cat", ("/etc/shadow",)), False),
        (RunTool("../ip"), False),
        (ListProcesses(), True),
        (ListObjects("Node"), True),
    ],
)
def test_only_what_is_listed_is_asked(tmp_path: Path, request_: Request, admitted: bool) -> None:
    source, world, writer = recording(tmp_path, {})
    answer = source.observe(request_)
    writer.discard()
    assert world.asked == ([request_] if admitted else [])
    assert (answer.reason is Reason.NOT_ALLOWED) is not admitted


def test_what_is_not_allowed_is_noted_in_the_bundle(tmp_path: Path) -> None:
    source, _, writer = recording(tmp_path, {})
    source.observe(ReadFile("/etc/shadow"))
    writer.finish(host="h")
    answer = ReplaySource(open_bundle(tmp_path / "b.tgz")).observe(ReadFile("/etc/shadow"))
    assert answer.reason is Reason.NOT_ALLOWED
    assert answer.what == "file /etc/shadow"


def test_a_search_shows_only_what_is_listed(tmp_path: Path) -> None:
    found = Files((metadata("/etc/b/x.conf"), metadata("/etc/b/secret.db")))
    source, _, writer = recording(tmp_path, {FindFiles("/etc/b/*"): found})
    assert source.observe(FindFiles("/etc/b/*")) == Files((metadata("/etc/b/x.conf"),))
    writer.discard()


def test_a_directory_of_which_nothing_may_be_told_is_not_called_empty(tmp_path: Path) -> None:
    found = Files((metadata("/usr/lib/cni/bridge"), metadata("/usr/lib/cni/portmap")))
    source, _, writer = recording(
        tmp_path, {FindFiles("/usr/lib/x/*"): found, FindFiles("/etc/b/*"): Files(())}
    )
    answer = source.observe(FindFiles("/usr/lib/x/*"))
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.NOT_ALLOWED
    assert source.observe(FindFiles("/etc/b/*")) == Files(())
    writer.discard()


def test_facts_get_what_was_read_and_the_bundle_what_is_left(tmp_path: Path) -> None:
    file = File(metadata("/etc/a/x"), b"password: hunter2\n")
    source, _, writer = recording(tmp_path, {ReadFile("/etc/a/x"): file})
    assert source.observe(ReadFile("/etc/a/x")) == source.observe(ReadFile("/etc/a/x")) == file
    writer.finish(host="h")
    recorded = ReplaySource(open_bundle(tmp_path / "b.tgz")).observe(ReadFile("/etc/a/x"))
    assert recorded.text().startswith('password: "[redacted password token=')


# ------------------------------------------------------------------------------------------- collecting


def ask_everything(world: World) -> Any:
    def look(memo: MemoSource) -> Sequence[str]:
        for request in world.answers:
            memo.observe(request)
        return ["edge"]

    return look


def test_a_collected_bundle_names_its_host_and_sides(tmp_path: Path) -> None:
    identity = Identity("edge7", "aarch64", "6.1", "boot", 0)
    world = World({ReadIdentity(): identity, ReadClock(): Now(NOW)})
    done = collect(ask_everything(world), world, tmp_path / "b.tgz", [EVIDENCE])
    assert (done.manifest.host, done.manifest.sides, done.manifest.identity) == ("edge7", ("edge",), identity)
    assert done.withheld == 0
    assert world.asked.count(ReadIdentity()) == 1


def test_an_error_while_looking_leaves_nothing(tmp_path: Path) -> None:
    def look(memo: MemoSource) -> Sequence[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(look, World({}), tmp_path / "b.tgz", [EVIDENCE])
    assert list(tmp_path.iterdir()) == []


def test_withheld_items_are_counted_for_the_exit_code(tmp_path: Path) -> None:
    path = "/etc/kubeedge/blob"
    world = World({ReadFile(path): File(metadata(path), b"\x00\xff" * 50)})
    assert collect(ask_everything(world), world, tmp_path / "b.tgz", [EVIDENCE]).withheld == 1


def file_of(path: str, content: str | bytes) -> tuple[Request, Any]:
    data = content.encode() if isinstance(content, str) else content
    return ReadFile(path), File(metadata(path), data)


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


PLANTED = dict(
    [
        file_of("/etc/kubeedge/config/edgecore.yaml", f"modules:\n  edgeHub:\n    token: {CANARY}\n"),
        file_of(
            "/etc/kubeedge/config/edgecore.yaml.good", f"modules: {{eventBus: {{mqttPassword: {CANARY}}}}}\n"
        ),
        file_of("/etc/kubeedge/bootstrap-edgecore.conf", CANARY),
        file_of("/etc/kubeedge/certs/server.key", KEY),
        file_of("/etc/kubeedge/certs/stream.key", KEY + CANARY.encode()),
        file_of("/etc/rancher/k3s/config.yaml", f"agent-token: {CANARY}\n"),
        file_of("/var/lib/rancher/k3s/server/token", f"K10{'0' * 64}::server:{CANARY}\n"),
        file_of("/var/lib/kubeedge/edgecore.db", CANARY),
        file_of("/root/.bash_history", f"keadm join --token={CANARY}\n"),
        (ReadJournal("edgecore.service"), LogText(f"Bearer {CANARY}1\nmqttPassword={CANARY}\n")),
        (ReadPodLog("kubeedge", "cloudcore-x"), LogText(f'{{"token":"{CANARY}"}}')),
        (
            ReadUnit("edgecore.service"),
            Unit("edgecore.service", "loaded", "active", "running", environment=(f"MQTT_PASSWORD={CANARY}",)),
        ),
        (ListProcesses(), Processes((Process(9, 1, "keadm", ("keadm", "join", "--token", CANARY)),))),
        (
            RunTool("systemctl", ("cat", "k3s")),
            ToolOutput(("x",), 0, f"K3S_TOKEN={CANARY}", f"token: {CANARY}"),
        ),
        (
            ListObjects("Secret", "kubeedge"),
            (
                Secret(
                    metadata=Metadata(name="tokensecret", namespace="kubeedge"),
                    data={"tokendata": encoded(CANARY.encode()), "cakeydata": encoded(KEY)},
                ),
            ),
        ),
        (
            GetPath("/api/v1/secrets"),
            ApiAnswer(200, f'{{"kind":"Secret","data":{{"a":"{CANARY}"}}}}'.encode()),
        ),
        (
            GetHttp(f"http://u:{CANARY}@h/"),
            Unavailable(Reason.REFUSED, f"GET http://u:{CANARY}@h/", "refused"),
        ),
        (OpenTcp("h", 1), Unavailable(Reason.ERROR, "connection", f"proxy said password={CANARY}")),
    ]
)


def test_secrets_planted_everywhere_are_nowhere_in_the_bundle(tmp_path: Path) -> None:
    world = World(PLANTED)
    collect(ask_everything(world), world, tmp_path / "b.tgz", [EVIDENCE])
    everything = b"\n".join(name.encode() + b"\n" + data for name, data in read_archive(tmp_path / "b.tgz"))
    assert CANARY.encode() not in everything
    assert encoded(CANARY.encode())[:-4].encode() not in everything
    for line in KEY.splitlines()[1:-1]:
        assert line not in everything
    assert ReadFile("/root/.bash_history") not in world.asked
    assert ReadFile("/var/lib/kubeedge/edgecore.db") not in world.asked


def test_only_programs_that_are_known_keep_their_arguments() -> None:
    table = Processes(
        (
            Process(1, 0, "k3s-server", ("/usr/local/bin/k3s server",)),
            Process(
                2, 1, "edgecore", ("/usr/local/bin/edgecore", "--config=/etc/kubeedge/config/edgecore.yaml")
            ),
            Process(3, 1, "vpn-helper", ("/opt/vpn", CANARY)),
            Process(
                4,
                1,
                "kube-apiserver",
                ("kube-apiserver", "--token-auth-file=/x", f"--etcd-password={CANARY}"),
            ),
            Process(5, 1, "postgres", (f"postgres: admin {CANARY}",)),
        )
    )
    allowed = [ALLOWED.process(one) for one in table.items]
    assert [bool(one.argv) for one in allowed] == [True, True, False, True, False]
    assert [one.name for one in allowed] == [one.name for one in table.items]
