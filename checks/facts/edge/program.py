"""The program that the unit of edgecore starts: the head of its file, the machine it is for, and what guards it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kedoctor.api import File, FileMetadata, Host, Identity, Unavailable, fact
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit

__all__ = ["EdgecoreProgram"]

_USUAL = "/usr/local/bin/edgecore"  # where keadm puts it
_HEAD = 64  # bytes of an ELF header, the longer of the two kinds
_MAGIC = b"\x7fELF"
_MACHINES = {3: "i386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_MACHINES |= {8: "mips", 258: "loongarch64"}

# What a kernel of ``uname -m`` runs: its own and, on 64-bit ones, the 32-bit programs of the same family.
_RUNS = {
    "x86_64": ("x86_64", "i386"),
    "aarch64": ("aarch64", "arm"),
    **dict.fromkeys(("armv6l", "armv7l", "armv8l"), ("arm",)),
    **dict.fromkeys(("i386", "i586", "i686"), ("i386",)),
    **{name: (name,) for name in ("ppc64le", "s390x", "riscv64", "loongarch64")},
}


@dataclass(frozen=True, slots=True)
class EdgecoreProgram:
    """The file at ``path``: what the file system says of it, and what its ELF header says.

    ``machine`` is the processor it was built for (as ``uname -m`` names it), empty where that was not read; ``kernel``
    that of this host. ``selinux`` is whether SELinux enforces its rules here, ``None`` if nobody could say.
    """

    path: str
    metadata: FileMetadata | Unavailable
    head: bytes = b""
    machine: str = ""
    kernel: str = ""
    selinux: bool | None = None

    @property
    def no_program(self) -> bool:
        """Whether the file was read and is no ELF program at all."""
        return bool(self.head) and not self.head.startswith(_MAGIC)

    @property
    def other_machine(self) -> bool:
        """Whether it was built for a processor whose programs this kernel does not run."""
        runs = _RUNS.get(self.kernel, ())
        return bool(self.machine and runs) and self.machine not in runs

    @property
    def missing_bytes(self) -> int:
        """How many bytes are missing at its end at least, by the place of the section table; 0 if none are."""
        ends = _table_ends(self.head)
        if isinstance(self.metadata, Unavailable) or self.metadata.kind != "file" or ends is None:
            return 0
        return max(0, ends - self.metadata.size)

    @property
    def not_executable(self) -> bool:
        """Whether nobody has the right to execute it."""
        return (
            isinstance(self.metadata, FileMetadata)
            and self.metadata.kind == "file"
            and not self.metadata.mode & 0o111
        )


@fact
def edgecore_program(host: Host, unit: EdgecoreUnit) -> EdgecoreProgram:
    """Reads the first bytes of what ``ExecStart`` names; the program is never started."""
    path = next(iter(unit.arguments), "") or _USUAL
    path = path if path.startswith("/") else _USUAL
    identity = host.identity()
    kernel = identity.machine if isinstance(identity, Identity) else ""
    file = host.read(path, limit=_HEAD)
    enforce = host.read("/sys/fs/selinux/enforce", limit=8)
    selinux = enforce.text().strip() == "1" if isinstance(enforce, File) else None
    if isinstance(file, Unavailable):
        return EdgecoreProgram(path, file, kernel=kernel, selinux=selinux)
    head = file.data[:_HEAD]
    return EdgecoreProgram(path, file.metadata, head, _machine(head), kernel, selinux)


def _order(head: bytes) -> Literal["little", "big"]:
    return "big" if head[5:6] == b"\x02" else "little"


def _machine(head: bytes) -> str:
    if not head.startswith(_MAGIC) or len(head) < 20:
        return ""
    return _MACHINES.get(int.from_bytes(head[18:20], _order(head)), "")


def _table_ends(head: bytes) -> int | None:
    """Where the table of sections ends, which linkers write last; ``None`` if the header has none."""
    wide = head[4:5] == b"\x02"
    if not head.startswith(_MAGIC) or len(head) < (_HEAD if wide else 52):
        return None
    order = _order(head)
    place, size, count = ((40, 48), (58, 60), (60, 62)) if wide else ((32, 36), (46, 48), (48, 50))
    begins, each, how_many = (int.from_bytes(head[a:b], order) for a, b in (place, size, count))
    return begins + each * how_many if begins else None
