"""Offline bundles are read without unpacking them, and what is wrong with a file is one clear sentence."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import tarfile
import time
from pathlib import Path

import pytest
from image_archives import LAYER, docker_archive, docker_files, oci_files, tar
from offline_bundles import EDGE_IMAGES, edge_files, elf, image, images, sums, write

from kedoctor.base.errors import BundleError
from kedoctor.base.records import encode_pretty
from kedoctor.evidence.collect import collect
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.model.image_references import canonical
from kedoctor.model.observations.request import Reason, Source, Unavailable
from kedoctor.model.offline_bundle import BundledKind, OfflineBundle, OfflineProblemKind
from kedoctor.model.ports import Host
from kedoctor.observe.live.source import LiveSource
from kedoctor.offline.reading import read_offline_bundle


def said(bundle: OfflineBundle) -> list[str]:
    return [str(problem.text) for problem in bundle.problems]


@pytest.mark.parametrize("with_sums", [True, False])
@pytest.mark.parametrize("packed", ["", "tar", "tar.gz"])
def test_the_layout_of_the_users_build(tmp_path: Path, packed: str, *, with_sums: bool) -> None:
    files = edge_files("arm64")
    place = tmp_path / f"edge.{packed}" if packed else write(tmp_path / "edge", files)
    if packed:
        place.write_bytes(tar(files) if packed == "tar" else gzip.compress(tar(files)))
    bundle = read_offline_bundle(place, sums=with_sums)
    assert bundle.problems == ()
    assert bundle.packed == bool(packed)
    assert bundle.stated == {"kubeedge_version": "1.22.0", "arch": "arm64"}
    containerd = bundle.binary("containerd", "arm64")
    assert containerd is not None
    assert bundle.path(containerd) == f"{place}/bin/containerd"
    assert bundle.binary("containerd", "amd64") is None
    assert [one.name for one in bundle.cni_plugins("arm64")] == [
        "bridge",
        "host-local",
        "loopback",
        "portmap",
    ]
    held = {image.reference for _, image in bundle.images()}
    assert held == {canonical(name) for name in EDGE_IMAGES}
    pause = bundle.archive_of("kubeedge/pause:3.6", "arm64")
    assert pause is not None
    assert pause.path == "images/kubeedge-pause-3.6.tar"
    assert bundle.archive_of("kubeedge/pause:3.6", "amd64") is None
    assert bool(containerd.sha256) == with_sums


def test_a_program_named_after_its_machine(tmp_path: Path) -> None:
    bundle = read_offline_bundle(write(tmp_path, {"k3s-amd64": elf(), "deep/er/k3s": elf("arm64")}))
    assert [one.path for one in bundle.binaries("k3s")] == ["k3s-amd64", "deep/er/k3s"]
    assert bundle.problems == ()


def test_two_programs_of_one_name(tmp_path: Path) -> None:
    files = {"keadm": elf(content=b"1"), "old/keadm": elf(content=b"2")}
    bundle = read_offline_bundle(write(tmp_path, files))
    assert bundle.binary("keadm", "amd64") is None
    assert said(bundle) == [
        "old/keadm and keadm have the same name and different content: remove the wrong one"
    ]
    (tmp_path / "old/keadm").write_bytes(files["keadm"])
    found = read_offline_bundle(tmp_path).binary("keadm", "amd64")
    assert found is not None
    assert found.path == "keadm"


@pytest.mark.parametrize("with_sums", [True, False])
def test_a_truncated_archive_at_every_length(tmp_path: Path, *, with_sums: bool) -> None:
    whole = docker_archive()
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        last = archive.getmembers()[-1]
    path = tmp_path / "images/a.tar"
    path.parent.mkdir()
    for length in range(0, last.offset_data + last.size, 256):  # behind it is only padding
        path.write_bytes(whole[:length])
        (problem,) = read_offline_bundle(tmp_path, sums=with_sums).problems
        assert problem.kind is OfflineProblemKind.DAMAGED
        assert str(problem.text).startswith("images/a.tar cannot be imported: it ")


def test_a_layer_that_was_changed_without_changing_its_size(tmp_path: Path) -> None:
    changed = LAYER[:600] + b"X" + LAYER[601:]
    docker = {name: changed if data == LAYER else data for name, data in docker_files().items()}
    oci = {name: changed if data == LAYER else data for name, data in oci_files().items()}
    write(tmp_path, {"images/docker.tar": tar(docker), "images/oci.tar": tar(oci)})
    first, second = said(read_offline_bundle(tmp_path))
    assert "l/layer.tar is not the layer that its configuration names" in first
    assert "is not what its name says" in second


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("../../etc/cron.d/x", "", "'../../etc/cron.d/x' points outside of it"),
        ("/etc/cron.d/x", "", "'/etc/cron.d/x' points outside of it"),
        ("x", "../../etc", "the link 'x' points outside of it"),
    ],
)
@pytest.mark.parametrize("outer", [False, True])
def test_an_archive_that_would_write_elsewhere(
    tmp_path: Path, name: str, target: str, words: str, *, outer: bool
) -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = (tarfile.SYMTYPE, target) if target else (tarfile.REGTYPE, "")
        archive.addfile(member, io.BytesIO())
    path = tmp_path / "images/a.tar"
    path.parent.mkdir()
    path.write_bytes(written.getvalue())
    if outer:
        with pytest.raises(BundleError, match=r"a\.tar cannot be used: it is unsafe"):
            read_offline_bundle(path)
        return
    (problem,) = read_offline_bundle(tmp_path).problems
    assert problem.kind is OfflineProblemKind.UNSAFE
    assert words in problem.detail


def test_links_that_stay_inside_and_those_that_do_not(tmp_path: Path) -> None:
    write(tmp_path / "b", {"bin/ctr-1.7": elf(), "images/a.tar": image("a:1")})
    (tmp_path / "b/bin/ctr").symlink_to("ctr-1.7")
    for name, target in {
        "loop": "loop2",
        "loop2": "loop",
        "gone": "nowhere",
        "out": "/etc/hostname",
        "images/up": "..",
    }.items():
        (tmp_path / "b" / name).symlink_to(target)
    bundle = read_offline_bundle(tmp_path / "b")
    assert bundle.binary("ctr", "amd64") is not None
    assert said(bundle) == [
        "gone is a link that cannot be used: it leads to nowhere, which does not exist",
        "images/up is a link that cannot be used: it leads to .., a directory that it lies in itself",
        "loop is a link that cannot be used: its links lead in a circle",
        "loop2 is a link that cannot be used: its links lead in a circle",
        "out is a link that cannot be used: it leads to /etc/hostname, outside of the offline bundle",
    ]


def test_what_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "images.tar")
    assert said(read_offline_bundle(tmp_path)) == [
        "images.tar is not a plain file: a socket, fifo or device has no place there"
    ]


def test_a_compressed_archive_and_an_image_without_a_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "images/a.tar.gz": gzip.compress(docker_archive()),
            "images/b.tar": tar(docker_files([])),
            "images/c.tar.zst": b"\x28\xb5\x2f\xfd" + bytes(100),
            "charts/edgemesh.tgz": gzip.compress(tar({"edgemesh/Chart.yaml": b"a: b"})),
        },
    )
    bundle = read_offline_bundle(tmp_path)
    assert said(bundle) == [
        "images/a.tar.gz is compressed, and not every version of ctr reads that: gunzip it",
        "images/b.tar holds an image without a name, which nothing can ask for: save it by its name and tag",
        "images/c.tar.zst cannot be imported: it is compressed with zstd, which kedoctor does not read; unpack it first",
    ]
    assert [one.path for one in bundle.of_kind(BundledKind.OTHER)] == ["charts/edgemesh.tgz"]


def test_checksums(tmp_path: Path) -> None:
    files = edge_files()
    write(tmp_path, {**files, "SHA256SUMS": sums({**files, "gone.txt": b""})})
    (tmp_path / "keadm").write_bytes(elf(content=b"keadn"))
    bundle = read_offline_bundle(tmp_path)
    assert bundle.compared == len(files)
    assert said(bundle) == [
        "keadm has another sha256 than SHA256SUMS says: it was changed or damaged; copy it again",
        "gone.txt is not there, but SHA256SUMS names it",
    ]
    assert [one.kind for one in read_offline_bundle(tmp_path, sums=False).problems] == [
        OfflineProblemKind.ABSENT
    ]


def test_the_list_of_an_archive_that_was_unpacked_and_removed(tmp_path: Path) -> None:
    name = "kubeedge-edge-1.22.0-amd64.tar.gz"
    for beside in (f"{name}.sha256sum.txt", "kubeedge-edge-1.22.0-amd64.sha256sum.txt"):
        write(tmp_path / beside, {"keadm": elf(), beside: sums({f"build/{name}": b""})})
        assert read_offline_bundle(tmp_path / beside).problems == ()


def test_the_checksum_beside_an_archive(tmp_path: Path) -> None:
    packed = gzip.compress(tar(edge_files()))
    place = tmp_path / "edge.tar.gz"
    place.write_bytes(packed)
    (tmp_path / "edge.tar.gz.sha256sum.txt").write_bytes(sums({"edge.tar.gz": packed}))
    assert read_offline_bundle(place).problems == ()
    (tmp_path / "edge.tar.gz.sha256sum.txt").write_bytes(sums({"edge.tar.gz": b""}))
    assert (
        "edge.tar.gz has another sha256 than edge.tar.gz.sha256sum.txt says"
        in said(read_offline_bundle(place))[0]
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_a_packed_bundle_that_is_cut_off(tmp_path: Path, *, compressed: bool) -> None:
    whole = tar(edge_files())
    whole = gzip.compress(whole) if compressed else whole[:-10240]
    place = tmp_path / "edge.tar"
    for length in (*range(1, len(whole), len(whole) // 23), len(whole) - 9):
        place.write_bytes(whole[:length])
        try:
            read_offline_bundle(place)
        except BundleError as error:
            assert str(error).startswith(f"the offline bundle {place} cannot be used: it is truncated")  # noqa: PT017
        else:
            assert not compressed  # cut between two members: it is a shorter tar, and lacks what came after


def test_places_that_are_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no offline bundle"):
        read_offline_bundle(tmp_path / "none")
    (tmp_path / "text").write_text("hello" * 1000)
    with pytest.raises(BundleError, match="truncated or no tar"):
        read_offline_bundle(tmp_path / "text")
    (tmp_path / "empty").touch()
    with pytest.raises(BundleError):
        read_offline_bundle(tmp_path / "empty")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BundleError, match="neither a directory nor a file"):
        read_offline_bundle(tmp_path / "fifo")
    (tmp_path / "dir").mkdir()
    assert read_offline_bundle(tmp_path / "dir").files == ()


def test_it_ends_at_its_deadline(tmp_path: Path) -> None:
    write(tmp_path, images("a:1"))
    with pytest.raises(TimeoutError):
        read_offline_bundle(tmp_path, timeout=-time.monotonic())


def test_garbage_of_every_kind_is_read_to_a_sentence(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "images/random.tar": bytes(range(256)) * 40,
            "images/text.tar": b"not an archive\n" * 100,
            "images/none.tar": b"",
            "images/foreign.tar": tar({"etc/passwd": b"root"}),
            "images/config.tar": tar({**docker_files(), "manifest.json": b'[{"Config": "nothing"}]'}),
            "short": b"\x7fELF",
            "SHA256SUMS": b"\xff\xfe\x00binary",
        },
    )
    bundle = read_offline_bundle(tmp_path)
    assert [one.kind for one in bundle.problems] == [OfflineProblemKind.DAMAGED] * 5 + [
        OfflineProblemKind.UNREADABLE
    ]


def test_a_host_answers_for_its_bundles(tmp_path: Path) -> None:
    write(tmp_path / "opt/edge", edge_files())
    host = Host(LiveSource(str(tmp_path)))
    bundle = host.offline_bundle("/opt/edge")
    assert isinstance(bundle, OfflineBundle)
    assert (bundle.place, bundle.problems) == ("/opt/edge", ())
    (tmp_path / "opt/text").write_text("x")
    for path, reason in {
        "/opt/none": Reason.ABSENT,
        "/opt/text": Reason.INVALID,
        "opt": Reason.INVALID,
    }.items():
        answer = host.offline_bundle(path)
        assert isinstance(answer, Unavailable)
        assert answer.reason is reason
    late = host.offline_bundle("/opt/edge", timeout=-time.monotonic())
    assert isinstance(late, Unavailable)
    assert late.reason is Reason.TIMEOUT


def test_it_is_recorded_and_replayed_like_any_answer(tmp_path: Path) -> None:
    write(tmp_path / "opt/edge", edge_files())
    source = LiveSource(str(tmp_path))

    def gather(memo: Source) -> list[str]:
        Host(memo).offline_bundle("/opt/edge")
        return ["edge"]

    done = collect(gather, source, tmp_path / "evidence.tgz", [], host="edge1")
    replayed = Host(ReplaySource(open_bundle(done.path))).offline_bundle("/opt/edge")
    assert replayed == Host(source).offline_bundle("/opt/edge")


def test_names_that_are_no_text_reach_no_terminal_and_no_list(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in (b"/images/\xff.tar", b"/images/\x1b[31mred\n.tar"):
        Path(os.fsdecode(os.fsencode(tmp_path) + name)).write_bytes(docker_archive())
    bundle = read_offline_bundle(tmp_path)
    assert bundle.files == ()
    assert said(bundle) == [
        "images/\\x1b[31mred\\n.tar cannot be read: its name is not plain text; rename it",
        "images/\\xff.tar cannot be read: its name is not plain text; rename it",
    ]
    encode_pretty(bundle)


def test_image_names_that_steer_a_terminal_are_no_names(tmp_path: Path) -> None:
    write(tmp_path, {"images/a.tar": tar(docker_files(["\x1b[2J:v1"]))})
    bundle = read_offline_bundle(tmp_path)
    assert [one.kind for one in bundle.problems] == [OfflineProblemKind.UNNAMED]
    assert list(bundle.images()) == []


def test_an_archive_that_contradicts_itself_is_told_in_print(tmp_path: Path) -> None:
    manifest = json.dumps([{"Config": "\x1b[2J", "Layers": []}]).encode()
    write(tmp_path, {"images/a.tar": tar({"manifest.json": manifest})})
    (problem,) = read_offline_bundle(tmp_path).problems
    assert problem.detail == "it is truncated: \\x1b[2J is missing"


def test_random_damage_is_always_a_sentence(tmp_path: Path) -> None:
    chance = random.Random(5)
    whole = [docker_archive(), tar(oci_files(nested=True)), gzip.compress(docker_archive())]
    path = tmp_path / "images/a.tar"
    path.parent.mkdir()
    for _ in range(300):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.choice([1, 2, 20])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        for with_sums in (True, False):
            bundle = read_offline_bundle(tmp_path, sums=with_sums)
            assert len(bundle.files) == 1
            assert all(text.isprintable() for text in said(bundle))


def test_a_walk_in_a_circle_of_links_within_an_archive(tmp_path: Path) -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        manifest = b'[{"Config": "a", "Layers": []}]'
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        archive.addfile(member, io.BytesIO(manifest))
        for name, target in (("a", "b"), ("b", "a")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    write(tmp_path, {"images/a.tar": written.getvalue()})
    (problem,) = read_offline_bundle(tmp_path).problems
    assert "the links of a lead in a circle" in problem.detail


def test_an_index_that_nests_without_end(tmp_path: Path) -> None:
    """Names are not believed: an index that names itself would be walked for ever."""
    name = "0" * 64
    body = json.dumps({"manifests": [{"digest": f"sha256:{name}", "size": 0}] * 9}).encode()
    body = body.replace(b'"size": 0', b'"size": %d' % 0)
    size = len(body) + 9 * (len(str(len(body))) - 1)
    body = body.replace(b'"size": 0', b'"size": %d' % size)
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": body,
        f"blobs/sha256/{name}": body,
    }
    write(tmp_path, {"images/a.tar": tar(files)})
    (problem,) = read_offline_bundle(tmp_path, sums=False).problems
    assert problem.kind is OfflineProblemKind.DAMAGED
