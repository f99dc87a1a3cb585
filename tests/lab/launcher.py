"""Programs of a bundle that are real ELF files and do nothing but start a script: what a bundle's stand-ins are made of.

Bundles are read without running anything, by the headers of their binaries (architecture, magic), so a stand-in must
be a binary of this machine. A script cannot be one; 150 bytes of machine code that call ``execve`` can.
"""

from __future__ import annotations

import platform
import struct
from pathlib import Path

MACHINES = {"x86_64": 62, "aarch64": 183}
_BASE = 0x400000
_HEADERS = 64 + 56


def launcher(script: Path | str, machine: str = "") -> bytes:
    """A static ELF program for ``machine`` (``uname -m``; this one by default) that becomes ``script``, with its arguments."""
    machine = machine or platform.machine()
    code = _x86_64 if machine == "x86_64" else _aarch64
    path = str(script).encode() + b"\0"
    length = len(code(0))
    text = code(_BASE + _HEADERS + length) + path
    size = _HEADERS + len(text)
    elf = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        2,
        MACHINES[machine],
        1,
        _BASE + _HEADERS,
        64,
        0,
        0,
        64,
        56,
        1,
        0,
        0,
        0,
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return elf + segment + text


def _x86_64(path: int) -> bytes:
    return (
        b"\x48\xbf" + struct.pack("<Q", path)  # mov rdi, path
        + b"\x48\x8d\x74\x24\x08"  # lea rsi, [rsp+8]: the arguments
        + b"\x48\x8b\x04\x24"  # mov rax, [rsp]: how many
        + b"\x48\x8d\x54\xc4\x10"  # lea rdx, [rsp+rax*8+16]: the environment
        + b"\xb8\x3b\x00\x00\x00\x0f\x05"  # execve
        + b"\xbf\x7f\x00\x00\x00\xb8\x3c\x00\x00\x00\x0f\x05"  # exit 127
    )  # fmt: skip


def _aarch64(path: int) -> bytes:
    low, high = path & 0xFFFF, path >> 16 & 0xFFFF
    words = (
        0xD2800000 | low << 5,  # movz x0, path
        0xF2A00000 | high << 5,  # movk x0, path, lsl 16
        0x910023E1,  # add x1, sp, 8: the arguments
        0xF94003E3,  # ldr x3, [sp]: how many
        0x8B030C22,  # add x2, x1, x3, lsl 3
        0x91002042,  # add x2, x2, 8: the environment
        0xD2801BA8,  # mov x8, 221
        0xD4000001,  # execve
        0xD2800FE0,  # mov x0, 127
        0xD2800BA8,  # mov x8, 93
        0xD4000001,  # exit
    )
    return struct.pack(f"<{len(words)}I", *words)
