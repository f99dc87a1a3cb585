"""Archives come out the same of the same files, whatever their times, owners and order; what needs which glibc is read."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "tools" / "dist"))
import archives  # noqa: E402  a script's neighbour
import elf  # noqa: E402  as above


def _tree(place: Path, names: list[str], time: int) -> Path:
    for name in names:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
        path.chmod(0o750 if name.startswith("bin/") else 0o640)
        os.utime(path, (time, time))
    (place / "link").symlink_to("bin/a")
    return place


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    names = ["bin/a", "lib/b", "c"]
    one = archives.packed(_tree(tmp_path / "1", names, 1_000_000_000), tmp_path / "1.tgz", "kedoctor", 7)
    other = archives.packed(_tree(tmp_path / "2", names[::-1], 1_700_000_000), tmp_path / "2.tgz", "kedoctor", 7)
    assert one.read_bytes() == other.read_bytes()
    with tarfile.open(one) as tar:
        members = {member.name: member for member in tar}
    assert {member.mtime for member in members.values()} == {7}
    assert {(member.uid, member.uname) for member in members.values()} == {(0, "root")}
    assert members["kedoctor/bin/a"].mode == 0o755
    assert members["kedoctor/lib/b"].mode == 0o644
    assert members["kedoctor/link"].linkname == "bin/a"


def test_a_second_name_of_a_file_is_not_packed_as_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match="hard link"):
        archives.tar_of(tmp_path, "", 7)


def test_the_glibc_that_a_tree_needs(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\0GLIBC_2.99\0")
    assert elf.glibc_needed(tmp_path) == "2.17"
    (tmp_path / "lib").write_bytes(b"\x7fELF" + bytes(20) + b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_PRIVATE\0GLIBC_2.4\0")
    assert elf.glibc_needed(tmp_path) == "2.34"


def test_an_archive_without_a_folder_of_its_own(tmp_path: Path) -> None:
    data = archives.tar_of(_tree(tmp_path / "1", ["bin/a"], 1), "", 7)
    assert [one.name for one in tarfile.open(fileobj=io.BytesIO(data))] == ["bin", "bin/a", "link"]
