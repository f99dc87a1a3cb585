"""What a program file says of itself: the machine it is for, and the version that Go's linker wrote into it."""

from __future__ import annotations

from kedoctor import patterns

__all__ = ["BuildInfoFinder", "elf_architecture", "is_elf"]

_MACHINES = {62: "amd64", 183: "arm64", 40: "arm", 3: "386", 243: "riscv64", 21: "ppc64le", 22: "s390x"}
_MAGIC = b"\xff Go buildinf:"
_INLINE = 0x2  # the strings follow the header, as Go 1.18 and later write them
_HEADER = 32
_MOST = 1 << 18
_LINKED = patterns.compiled(r"-X[ =]'?[\w./-]*(?:gitVersion|[vV]ersion\.Version)=([\w.+-]+)")
_MODULE = patterns.compiled(r"^mod\t\S+\t(v[\w.+-]+)", patterns.MULTILINE)


def is_elf(head: bytes) -> bool:
    """Whether a file that begins like that is an ELF file with a whole header."""
    return head.startswith(b"\x7fELF") and len(head) >= 20


def elf_architecture(head: bytes) -> str:
    """The machine of an ELF file as Go names it; ``machine-N`` for one that has no name here."""
    order = "big" if head[5] == 2 else "little"
    number = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
    return _MACHINES.get(number, f"machine-{number}")


class BuildInfoFinder:
    """Finds Go's build information in a program that is fed to it piece by piece."""

    def __init__(self) -> None:
        self._tail = b""
        self._found: bytearray | None = None

    def feed(self, piece: bytes) -> None:
        """The next bytes of the file."""
        if self._found is not None:
            if len(self._found) < _MOST:
                self._found += piece[: _MOST - len(self._found)]
            return
        whole = self._tail + piece
        at = whole.find(_MAGIC)
        # Other Go programs hold the magic as a constant: a header has the flag of inline strings.
        while 0 <= at <= len(whole) - _HEADER and not whole[at + 15] & _INLINE:
            at = whole.find(_MAGIC, at + 1)
        if 0 <= at <= len(whole) - _HEADER:
            self._found = bytearray(whole[at : at + _MOST])
        self._tail = whole[at:] if at >= 0 else whole[1 - len(_MAGIC) :]

    @property
    def version(self) -> str:
        """The version that was linked in, else that of the main module; empty when neither is told."""
        text = self._text()
        linked = _LINKED.search(text)
        module = _MODULE.search(text)
        return linked[1] if linked else module[1] if module else ""

    def _text(self) -> str:
        """The second string (the first is Go's own version): both have their length in front, as a varint."""
        data = bytes(self._found or b"")
        at = _HEADER
        for last in (False, True):
            length, at = _varint(data, at)
            if last:
                return data[at : at + length].decode("utf-8", "replace")
            at += length
        return ""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, at
