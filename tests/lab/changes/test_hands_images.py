"""Image hands against a containerd of its own, and archives as the runtimes write them."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_unchanged import host_unchanged
from image_archives import NAMES, docker_archive
from own_containerd import obstacle, own_containerd

from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.images import ImageActor
from kedoctor.changes.executor import execute, prepare, roll_back
from kedoctor.changes.journal import Journal, JournalEntry
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.images import ImportImage
from kedoctor.model.actors import ConflictError, RefusedError
from kedoctor.observe.live import subprocesses

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "can start containerd"),
]


@pytest.fixture(scope="module", autouse=True)
def unchanged() -> Iterator[None]:
    # Nothing here listens on the host itself; what others open and close there meanwhile is theirs.
    with host_unchanged(without=frozenset({"listening sockets"})):
        yield


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a containerd that holds nothing."""
    with own_containerd(tmp_path_factory.mktemp("cd")) as address:
        yield address


class Host:
    """Hands on that containerd."""

    def __init__(self, address: str, directory: Path) -> None:
        self.address = address
        self.archive = directory / "images.tar"
        self.archive.write_bytes(docker_archive())
        self.journal = Journal(directory / "journal")
        self.hands = Actors({ImportImage: ImageActor(self.run, options=("--address", address))})

    def run(self, argv: list[str], timeout: float) -> object:
        return subprocesses.run(argv, timeout=timeout)

    def action(self, reference: str = "kubeedge/test:v1", archive: Path | None = None) -> ImportImage:
        return ImportImage(str(archive or self.archive), reference, "containerd")

    def fix(self, action: ImportImage) -> JournalEntry:
        prepared = prepare(self.hands, [action])
        with deferred() as stop:
            return execute(
                self.journal, self.hands, prepared, codes=["I"], command="t", stop=stop, tell=lambda _: None
            )

    def back(self, entry: JournalEntry) -> None:
        roll_back(entry, self.hands, tell=lambda _: None)

    def ctr(self, *words: str) -> str:
        argv = ["ctr", "--address", self.address, "-n", "k8s.io", "images", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def images(self) -> list[str]:
        return sorted(self.ctr("ls", "-q").split())


@pytest.fixture
def host(containerd: str, tmp_path: Path) -> Iterator[Host]:
    made = Host(containerd, tmp_path)
    yield made
    if made.images():
        made.ctr("rm", *made.images())


def test_an_import_and_its_undoing(host: Host) -> None:
    (previewed,) = prepare(host.hands, [host.action()]).foresight
    assert "+ docker.io/kubeedge/test:v1" in previewed.diff
    assert host.images() == []
    entry = host.fix(host.action())
    assert host.images() == NAMES
    assert prepare(host.hands, [host.action()]).actions == ()
    host.archive.unlink()
    host.back(entry)
    assert host.images() == []


def test_what_was_there_before_stays(host: Host) -> None:
    host.ctr("import", str(host.archive))
    host.ctr("rm", "docker.io/kubeedge/test:v1")
    entry = host.fix(host.action())
    host.ctr("tag", "docker.io/library/other:v2", "docker.io/somebody/else:v1")
    host.back(entry)
    assert host.images() == ["docker.io/library/other:v2", "docker.io/somebody/else:v1"]


def test_a_truncated_archive_is_refused_at_every_length(host: Host) -> None:
    whole = docker_archive()
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        last = archive.getmembers()[-1]
    for length in range(0, last.offset_data + last.size, 256):  # behind it is only padding
        host.archive.write_bytes(whole[:length])
        with pytest.raises(RefusedError, match=r"was not imported: it (is truncated|holds neither)"):
            prepare(host.hands, [host.action()])
    assert host.images() == []


def test_an_archive_that_is_cut_after_it_was_shown(host: Host) -> None:
    prepared = prepare(host.hands, [host.action()])
    host.archive.write_bytes(docker_archive()[:3000])
    with deferred() as stop, pytest.raises(RefusedError, match="was not imported"):
        execute(host.journal, host.hands, prepared, codes=[], command="", stop=stop, tell=lambda _: None)
    assert host.images() == []


def test_another_image_a_compressed_and_a_missing_archive(host: Host, tmp_path: Path) -> None:
    with pytest.raises(
        RefusedError, match=r"does not hold kubeedge/cloudcore:v1; it holds docker\.io/kubeedge/test:v1"
    ):
        prepare(host.hands, [host.action("kubeedge/cloudcore:v1")])
    packed = tmp_path / "images.tar.gz"
    packed.write_bytes(gzip.compress(docker_archive()))
    with pytest.raises(RefusedError, match="is compressed") as caught:
        prepare(host.hands, [host.action(archive=packed)])
    assert caught.value.hint == f"gunzip {packed}"
    with pytest.raises(RefusedError, match="No such file"):
        prepare(host.hands, [host.action(archive=tmp_path / "none.tar")])


def test_an_image_that_somebody_removed_since(host: Host) -> None:
    entry = host.fix(host.action())
    host.ctr("rm", "docker.io/kubeedge/test:v1")
    host.back(entry)  # it is as it was: nothing is left to do, and other names stay
    assert host.images() == ["docker.io/library/other:v2"]


def test_an_image_that_somebody_imported_meanwhile(host: Host) -> None:
    prepared = prepare(host.hands, [host.action()])
    host.ctr("import", str(host.archive))
    with deferred() as stop, pytest.raises(ConflictError):
        execute(host.journal, host.hands, prepared, codes=[], command="", stop=stop, tell=lambda _: None)
    assert host.images() == NAMES


def test_a_runtime_that_does_not_answer(tmp_path: Path) -> None:
    host = Host(f"{tmp_path}/no-such-socket", tmp_path)
    host.hands = Actors(
        {ImportImage: ImageActor(host.run, options=("--address", host.address, "--connect-timeout", "100ms"))}
    )
    with pytest.raises(RefusedError, match="cannot be listed"):
        prepare(host.hands, [host.action()])
