"""Bundles: what is written comes back, nothing half-written is left, and nothing hostile is believed."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedoctor.base.errors import BundleError, OutputError
from kedoctor.base.records import decode
from kedoctor.checks.parsers.kubernetes import Node
from kedoctor.evidence.archive import ArchiveWriter, Limits, read_archive
from kedoctor.evidence.bundle import MANIFEST, EvidenceWriter
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations.apiserver import AccessReview, ApiAnswer, GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog, StreamedAnswer
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.inputs import ReadOfflineBundle, ReadSetting
from kedoctor.model.observations.logs import LogText, ReadJournal, ReadPodLog
from kedoctor.model.observations.machine import (
    Identity,
    Now,
    ReadClock,
    ReadIdentity,
    ReadResources,
    Resources,
)
from kedoctor.model.observations.network import (
    Addresses,
    InterfaceAddress,
    ListAddresses,
    ListSockets,
    Socket,
    Sockets,
)
from kedoctor.model.observations.processes import ListProcesses, Process, Processes
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import ReadLegacyTable, RunTool, ToolOutput
from kedoctor.model.observations.units import ReadUnit, Unit
from kedoctor.model.observations.wire import Connection, GetHttp, HttpAnswer, OpenTcp, OpenTls, TlsPeer
from kedoctor.model.offline_bundle import BundledFile, BundledKind, OfflineBundle
from kedoctor.observe.memo import Observation

NOW = datetime(2026, 11, 23, 3, 19, 53, tzinfo=UTC)
METADATA = FileMetadata("/etc/hosts", "file", 0o644, 0, 0, 9, NOW)
NODES = decode(json.dumps([{"metadata": {"name": f"edge{n}"}} for n in (1, 2)]), tuple[Node, ...])  # type: ignore[arg-type]

# One answer for every request there is: a new request must be added here, and is written without being told how.
EXAMPLES: list[tuple[Request, Any]] = [
    (ReadFile("/etc/hosts"), File(METADATA, b"127.0.0.1 \xc3\xa9\n")),
    (ReadFile("/etc/hosts", 5, from_end=True), File(METADATA, b".1 a\n", truncated=True)),
    (ReadFile("/absent"), Unavailable(Reason.ABSENT, "file /absent", "it does not exist")),
    (StatFile("/etc/hosts"), METADATA),
    (FindFiles("/etc/h*"), Files((METADATA,))),
    (ListProcesses(), Processes((Process(1, 0, "init", ("/sbin/init",), 0, NOW, 4096),))),
    (
        ListSockets(),
        Sockets((Socket("::", 10003, "", 0, "LISTEN", 7, "cloudcore"),), owners_complete=False),
    ),
    (ListAddresses(), Addresses((InterfaceAddress("eth0", "10.99.0.1", 24),), "eth0", "10.99.0.254")),
    (ReadResources("/var"), Resources(2, 1 << 32, 1 << 31, 1 << 40, 1 << 39)),
    (ReadIdentity(), Identity("cloud", "x86_64", "6.1", "boot", 0, NOW)),
    (ReadUnit("edgecore.service"), Unit("edgecore.service", "loaded", "active", "running", started=NOW)),
    (ReadJournal("edgecore.service"), LogText("one\ntwo\n", truncated=True)),
    (
        RunTool("iptables-nft-save", ("-t", "nat")),
        ToolOutput(("/sbin/x",), 1, "*nat\nCOMMIT\n", "warning"),
    ),
    (ReadLegacyTable(), LogText("*nat\nCOMMIT\n")),
    (
        ReadOfflineBundle("/opt/edge"),
        OfflineBundle(
            "/opt/edge", (BundledFile("keadm", 20, BundledKind.BINARY, "0" * 64, "arm64"),), compared=1
        ),
    ),
    (ListObjects("Node"), NODES),
    (ListObjects("Node", label_selector="none=of-them"), ()),
    (GetPath("/version"), ApiAnswer(200, b'{"gitVersion": "v1.31.14"}', NOW, "application/json")),
    (ReadPodLog("kubeedge", "cloudcore-x"), LogText("")),
    (FollowPodLog("default", "web"), StreamedAnswer(200, b"a line\n", took=0.1)),
    (
        ExecInPod("default", "web", ("echo", "nonce")),
        StreamedAnswer(101, b"nonce\n", b"", 0, complete=True, took=0.2),
    ),
    (
        AttachToPod("default", "web", until="nonce"),
        StreamedAnswer(101, b"", reason="deadline", complete=False, took=10.0),
    ),
    (ReviewAccess("get", "pods", subresource="log"), AccessReview(allowed=True, reason="RBAC")),
    (OpenTcp("10.99.0.1", 10003), Connection("10.99.0.1", 0.5)),
    (OpenTls("10.99.0.1", 10004), TlsPeer((), "TLSv1.3", "certificate required")),
    (
        GetHttp("https://10.99.0.1:10003/", "edge1"),
        HttpAnswer(404, b"404 page not found\n", NOW, complete=False),
    ),
    (ReadClock(), Now(NOW)),
]


def write(path: Path, answers: list[tuple[Request, Any]], **options: Any) -> EvidenceWriter:
    writer = EvidenceWriter(path, salt=b"salt", created=NOW, **options)
    for request, answer in answers:
        writer.add(Observation(request, answer, NOW, 12))
    return writer


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.tgz"
    write(path, EXAMPLES).finish(host="cloud", sides=["cloud"])
    return path


# --------------------------------------------------------------------------------------- there and back


def every_request(base: type[Request] = Request) -> set[type[Request]]:
    own = {one for one in base.__subclasses__() if one.__module__.startswith("kedoctor.model.observations.")}
    return own.union(*(every_request(one) for one in own)) if own else set()


def test_there_is_an_example_of_every_request() -> None:
    # What the command line says of an install is not the site's, and never collected.
    assert {type(request) for request, _ in EXAMPLES} == every_request() - {ReadSetting}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example[0]).__name__)
def test_what_is_written_comes_back(bundle: Path, example: tuple[Request, Any]) -> None:
    request, answer = example
    seen = ReplaySource(open_bundle(bundle)).observation(request)
    assert seen.answer == answer
    assert (seen.at, seen.took_ms, seen.origin) == (NOW, 12, "cloud.tgz")


def test_the_manifest_says_what_was_seen_and_how(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    assert (manifest.host, manifest.sides, manifest.created, manifest.withheld) == (
        "cloud",
        ("cloud",),
        NOW,
        0,
    )
    made = {entry.made: entry for entry in manifest.entries}
    assert made["iptables-nft-save -t nat"].payload == "tools/iptables-nft-save_-t_nat.txt"
    assert made["file /etc/hosts"].payload.startswith("files/etc/hosts")
    assert made["journalctl -u edgecore.service -n 2000"].truncated
    assert made["file /absent"].unavailable is not None
    assert len(ReplaySource(open_bundle(bundle))._entries) == len(EXAMPLES)


def test_the_payloads_can_be_read_by_a_person(bundle: Path) -> None:
    files = dict(read_archive(bundle))
    assert files["journal/edgecore.service.log"] == b"one\ntwo\n"
    assert files["tools/iptables-nft-save_-t_nat.txt"] == b"*nat\nCOMMIT\n"
    assert files["cluster/Node.json"].count(b"\n") == 4
    assert json.loads(files["cluster/Node.json"])[0]["metadata"]["name"] == "edge1"


def test_it_is_private_and_nothing_else_is_left(bundle: Path) -> None:
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    assert [path.name for path in bundle.parent.iterdir()] == ["cloud.tgz"]


def test_equal_evidence_gives_equal_bytes(bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tgz"
    write(again, EXAMPLES).finish(host="cloud", sides=["cloud"])
    assert again.read_bytes() == bundle.read_bytes()


def test_what_was_not_recorded_is_said_in_words(bundle: Path) -> None:
    answer = ReplaySource(open_bundle(bundle)).observe(ReadFile("/etc/resolv.conf"))
    assert answer == Unavailable(
        Reason.NOT_RECORDED, "file /etc/resolv.conf", "the evidence cloud.tgz does not contain it"
    )


def test_another_length_or_deadline_is_the_same_question(bundle: Path) -> None:
    source = ReplaySource(open_bundle(bundle))
    assert source.observe(ReadJournal("edgecore.service", lines=9)) == LogText("one\ntwo\n", truncated=True)
    assert isinstance(source.observe(RunTool("iptables-nft-save", ("-t", "nat"), timeout=1.0)), ToolOutput)
    assert isinstance(source.observe(RunTool("iptables-nft-save")), Unavailable)


def test_names_cannot_leave_the_archive_or_collide(tmp_path: Path) -> None:
    requests = [ReadFile(path) for path in ("/../../x", "/x", "//x", "/a b", "/a_b", "/" + "n" * 400)]
    path = tmp_path / "b.tgz"
    write(path, [(request, File(METADATA, request.path.encode())) for request in requests]).finish(host="h")
    source = ReplaySource(open_bundle(path))
    for request in requests:
        assert source.observe(request).data == request.path.encode()


# ----------------------------------------------------------------------------------------------- writing

KEY = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg\n-----END EC PRIVATE KEY-----\n"


def test_redaction_is_noted_with_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "b.tgz"
    rules = [RedactionRule("host:/etc/app.yaml", ("app.pin",))]
    data = b"app:\n  pin: 4711-x\n  password: x\n"
    write(path, [(ReadFile("/etc/app.yaml"), File(METADATA, data))], rules=rules).finish(host="h")
    (entry,) = open_bundle(path).manifest.entries
    assert [(one.what, one.count) for one in entry.redactions] == [("credential", 1), ("password", 1)]
    assert b"4711" not in b"".join(content for _, content in read_archive(path))


def test_a_withheld_item_is_counted_and_replayed_as_such(tmp_path: Path) -> None:
    path = tmp_path / "b.tgz"
    writer = write(path, [(ReadFile("/x"), File(METADATA, b"\x00\xff" * 40))])
    assert writer.withheld == 1
    assert writer.finish(host="h").withheld == 1
    answer = ReplaySource(open_bundle(path)).observe(ReadFile("/x"))
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.WITHHELD


def test_an_answer_that_cannot_be_written_is_withheld(tmp_path: Path) -> None:
    writer = write(tmp_path / "b.tgz", [(ReadClock(), Now(object()))])  # type: ignore[arg-type]
    assert writer.withheld == 1
    writer.discard()


def test_secrets_in_the_request_itself_are_redacted(tmp_path: Path) -> None:
    path = tmp_path / "b.tgz"
    refused = Unavailable(Reason.REFUSED, "GET https://u:hunter2@h/", "")
    answer = HttpAnswer(200, b"fine")
    asked = [(GetHttp("https://u:hunter2@h/"), refused), (GetHttp("https://u:hunter2@h/x"), answer)]
    write(path, asked).finish(host="h")
    assert b"hunter2" not in b"".join(name.encode() + content for name, content in read_archive(path))


@pytest.mark.parametrize(
    "planted", [KEY, b"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.sig", b"K10" + b"a" * 20 + b"::x"]
)
def test_the_finished_archive_is_looked_through(tmp_path: Path, planted: bytes) -> None:
    path = tmp_path / "b.tgz"
    writer = write(path, EXAMPLES[:3])
    writer._archive.add("sneaked/in", planted)  # as a bug in redaction would
    with pytest.raises(OutputError, match="still in sneaked/in"):
        writer.finish(host="h")
    assert list(tmp_path.iterdir()) == []


def test_planted_patterns_are_looked_for_too(tmp_path: Path) -> None:
    data = File(METADATA, b"harmless, but CANARY-4711 was planted")
    writer = write(tmp_path / "b.tgz", [(ReadFile("/x"), data)], planted=[b"CANARY-4711"])
    with pytest.raises(OutputError, match="a planted secret"):
        writer.finish(host="h")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_does_not_exist_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file or directory"):
        EvidenceWriter(tmp_path / "no" / "b.tgz")


def test_a_disk_that_fills_up_is_told_at_the_end_and_leaves_nothing(tmp_path: Path) -> None:
    class Full(ArchiveWriter):
        def add(self, name: str, data: bytes) -> None:
            raise OutputError("No space left on device")

    writer = EvidenceWriter(tmp_path / "b.tgz")
    writer._archive.discard()
    writer._archive = Full(tmp_path / "b.tgz", modified=NOW)
    writer.add(Observation(*EXAMPLES[0], NOW, 0))  # facts go on being made
    with pytest.raises(OutputError, match="No space left"):
        writer.finish(host="h")
    writer.discard()
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------- hostile input


def archive_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


HOSTILE: dict[str, Callable[[], tarfile.TarInfo]] = {
    "absolute": lambda: member("/etc/passwd"),
    "parent": lambda: member("a/../../etc/passwd"),
    "symlink": lambda: member("x", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": lambda: member("x", tarfile.LNKTYPE, "/etc/passwd"),
    "device": lambda: member("x", tarfile.CHRTYPE),
    "fifo": lambda: member("x", tarfile.FIFOTYPE),
    "backslash": lambda: member("..\\..\\x"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_unsafe_members_are_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(BundleError, match="unsafe"):
        open_bundle(archive_of(tmp_path / "b.tgz", (HOSTILE[what](), b"")))


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = archive_of(tmp_path / "b.tgz", *((member(f"{n}"), b"\0" * (1 << 20)) for n in range(4)))
    assert bomb.stat().st_size < 20_000
    for limits in (Limits(total=1 << 21), Limits(member=1 << 19), Limits(members=2)):
        with pytest.raises(BundleError, match=r"too large|more than"):
            open_bundle(bomb, limits=limits)


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="twice"):
        open_bundle(archive_of(tmp_path / "b.tgz", (member("a"), b"1"), (member("a"), b"2")))


def test_a_foreign_archive_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"not evidence of kedoctor: it holds no manifest\.json"):
        open_bundle(archive_of(tmp_path / "b.tgz", (member("a"), b"1")))
    with pytest.raises(BundleError, match="of another kind"):
        open_bundle(archive_of(tmp_path / "b.tgz", (member(MANIFEST), b'{"kind": "something"}')))
    with pytest.raises(BundleError, match=r"broken manifest\.json"):
        open_bundle(archive_of(tmp_path / "b.tgz", (member(MANIFEST), b'{"kind": ')))


def test_a_newer_format_is_told_with_what_to_do(tmp_path: Path) -> None:
    newer = json.dumps({"kind": "kedoctor-bundle", "format": 2, "other": "fields"}).encode()
    with pytest.raises(BundleError, match="written by a newer kedoctor") as error:
        open_bundle(archive_of(tmp_path / "b.tgz", (member(MANIFEST), newer)))
    assert error.value.hint == "update kedoctor"
    assert error.value.exit_code == 78


def test_a_bundle_that_was_packed_again_by_hand_can_be_read(bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tgz"
    with tarfile.open(bundle) as old, tarfile.open(again, "w:gz") as new:
        new.addfile(member("files", tarfile.DIRTYPE))
        for info in reversed(old.getmembers()):
            new.addfile(info, old.extractfile(info))
    assert ReplaySource(open_bundle(again)).observe(ReadClock()) == Now(NOW)


def edited(bundle: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    members = dict(read_archive(bundle))
    manifest = json.loads(members[MANIFEST])
    change(manifest)
    members[MANIFEST] = json.dumps(manifest).encode()
    path = bundle.with_name("edited.tgz")
    return archive_of(path, *((member(name), data) for name, data in members.items()))


def test_requests_and_fields_of_another_version_are_passed_over(bundle: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["entries"][0]["request"] = {"ask": "ReadTeaLeaves", "cup": 7}
        manifest["entries"][1]["new"] = manifest["new"] = {"anything": []}

    source = ReplaySource(open_bundle(edited(bundle, change)))
    assert len(list(source.entries())) == len(EXAMPLES) - 1


def test_an_entry_that_does_not_hold_what_it_says_is_invalid(bundle: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        for entry in manifest["entries"]:
            match entry["request"]["ask"]:
                case "ReadClock":
                    entry["type"] = "Exception"
                case "ReadIdentity":
                    entry["payload"] = "not/there"
                case "ListSockets":
                    entry["type"] = "Processes"
                case "ListObjects":
                    entry["type"] = "NoSuchKind[]"

    source = ReplaySource(open_bundle(edited(bundle, change)))
    for request in (ReadClock(), ReadIdentity(), ListSockets(), ListObjects("Node")):
        answer = source.observe(request)
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.INVALID


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not evidence: empty file"),
        (b"hello", "is not evidence: Not a gzipped file"),
        (gzip.compress(b"hello", mtime=0), "is not evidence"),
        (gzip.compress(b"x" * 20_000, mtime=0), "is not evidence"),
        (b"\x1f\x8b" + b"x" * 50, "is not evidence"),
    ],
)
def test_garbage_is_told_in_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "b.tgz"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=words):
        open_bundle(path)


def test_a_bundle_that_is_absent_or_a_directory(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no evidence"):
        open_bundle(tmp_path / "none.tgz")
    with pytest.raises(BundleError, match="cannot be read"):
        open_bundle(tmp_path)


@settings(max_examples=60)
@given(cut=st.integers(min_value=0, max_value=3000), flip=st.integers(min_value=0, max_value=3000))
def test_a_damaged_bundle_never_gives_wrong_answers(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    write(folder / "b.tgz", EXAMPLES).finish(host="cloud")
    whole = (folder / "b.tgz").read_bytes()
    position = 10 + flip % (len(whole) - 10)  # behind the header, whose time and name do not matter
    for damaged in (
        whole[: cut % len(whole)],
        whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :],
    ):
        (folder / "d.tgz").write_bytes(damaged)
        with pytest.raises(BundleError):
            open_bundle(folder / "d.tgz")
