"""What program files say of themselves: made-up headers, and any Go program that is at hand."""

from __future__ import annotations

import pytest
from offline_bundles import elf

from kedoctor.offline.programs import BuildInfoFinder, elf_architecture, is_elf

GO = b"go1.22.1"


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)


def build_info(text: str) -> bytes:
    """As Go 1.18 and later link it in: magic, pointer size, flags, padding, then two strings with their lengths."""
    body = (
        b"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6"
        + text.encode()
        + b"\xf92C1\x86\x18 r\x00\x82B\x10A\x16\xd8\xf2"
    )
    return b"\xff Go buildinf:\x08\x02" + bytes(16) + varint(len(GO)) + GO + varint(len(body)) + body


def version(data: bytes, piece: int = 1 << 20) -> str:
    finder = BuildInfoFinder()
    for at in range(0, len(data), piece):
        finder.feed(data[at : at + piece])
    return finder.version


LINKED = (
    "path\tgithub.com/x/edge/cmd\nmod\tgithub.com/x/edge\t(devel)\t\n"
    'build\t-ldflags="-s -w -X github.com/x/edge/pkg/version.gitVersion=v1.22.0 -X a.b/c.gitCommit=abc"\n'
)


@pytest.mark.parametrize("piece", [1, 7, 33, 1 << 20])
def test_a_version_is_found_wherever_a_piece_ends(piece: int) -> None:
    data = elf(
        content=bytes(1000)
        + b"\xff Go buildinf: is searched for by some programs"
        + bytes(77)
        + build_info(LINKED)
    )
    assert version(data, piece) == "v1.22.0"


def test_the_main_module_s_version_is_next_best() -> None:
    assert version(build_info("path\tx\nmod\tgithub.com/x\tv1.8.0\th1:abc=\n")) == "v1.8.0"
    assert version(build_info("path\tx\nmod\tgithub.com/x\t(devel)\t\n")) == ""


@pytest.mark.parametrize(
    "data", [b"", b"\xff Go buildinf:", b"\xff Go buildinf:\x08\x02" + b"\xff" * 60, bytes(99)]
)
def test_what_is_cut_off_or_no_go_program_has_no_version(data: bytes) -> None:
    assert version(data) == ""


def test_machines() -> None:
    assert elf_architecture(elf("arm64")) == "arm64"
    big_endian = bytearray(elf())
    big_endian[5], big_endian[18:20] = 2, b"\x00\x16"
    assert elf_architecture(bytes(big_endian)) == "s390x"
    unknown = bytearray(elf())
    unknown[18:20] = b"\xff\x00"
    assert elf_architecture(bytes(unknown)) == "machine-255"
    assert not is_elf(b"\x7fELF\x02")
    assert not is_elf(b"#!/bin/sh\n" * 9)
