"""Proves that a block of code left the host as it was."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_REMARK = re.compile(r"^#.*\n", re.MULTILINE)
_COUNTERS = re.compile(r"\[\d+:\d+\]")
_LISTEN = "0A"


def _printed(*argv: str) -> str:
    """What a tool prints, or that it is not there: both can be compared."""
    if shutil.which(argv[0]) is None:
        return "(no such tool)"
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30).stdout


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"({error.strerror})"


def _without_counters(text: str) -> list[str]:
    return _COUNTERS.sub("", _REMARK.sub("", text)).splitlines()


def _nft_view() -> list[str]:
    return [
        line for tool in ("iptables", "ip6tables") for line in _without_counters(_printed(f"{tool}-nft-save"))
    ]


def _legacy_view() -> list[str]:
    # Asking for a table that is not there would make it, so the kernel is asked first which there are.
    return [
        line
        for tool, names in (
            ("iptables", "/proc/net/ip_tables_names"),
            ("ip6tables", "/proc/net/ip6_tables_names"),
        )
        for table in sorted(_read(names).split())
        if not table.startswith("(")
        for line in _without_counters(_printed(f"{tool}-legacy-save", "-t", table))
    ]


def _legacy_tables() -> list[str]:
    return [
        f"{name}: {' '.join(sorted(_read(f'/proc/net/{name}').split()))}"
        for name in ("ip_tables_names", "ip6_tables_names", "arp_tables_names")
    ]


def _modules() -> list[str]:
    return sorted(line.split()[0] for line in _read("/proc/modules").splitlines())


def _mounts() -> list[str]:
    # Without the running numbers in front, which differ after an unmount and mount of the same thing.
    return sorted(" ".join(line.split()[3:]) for line in _read("/proc/self/mountinfo").splitlines())


def _listening() -> list[str]:
    found = []
    others = _sockets_of_other_workers()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        rows = (line.split() for line in _read(f"/proc/net/{name}").splitlines()[1:])
        found += [
            f"{name} {row[1]}"
            for row in rows
            if (name.startswith("udp") or row[3] == _LISTEN) and row[9] not in others
        ]
    return sorted(found)


def _sockets_of_other_workers() -> set[str]:
    """Inodes of sockets that another worker of the same test run holds, or a process that it started."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return set()
    parents = _parents()
    found: set[str] = set()
    mine: set[str] = set()
    for process in parents:
        ancestors = _ancestors(process, parents)
        if os.getppid() in ancestors:
            (mine if os.getpid() in ancestors else found).update(_sockets(process))
    return found - mine


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # The name of a program, in brackets, may hold anything.
            words = _read(f"{entry}/stat").rpartition(")")[2].split()
            if len(words) > 1:
                found[int(entry.name)] = int(words[1])
    return found


def _ancestors(process: int, parents: dict[int, int]) -> set[int]:
    found = {process}
    while (process := parents.get(process, 0)) and process not in found:
        found.add(process)
    return found


def _sockets(process: int) -> set[str]:
    found = set()
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            name = os.readlink(link)  # noqa: PTH115 - the target is not a path
            if name.startswith("socket:["):
                found.add(name[8:-1])
    except OSError:
        return found  # it is ending
    return found


def _etc() -> list[str]:
    found = []
    for directory, folders, files in os.walk("/etc"):
        for name in (*folders, *files):
            path = os.path.join(directory, name)  # noqa: PTH118 - thousands of paths
            try:
                status = os.lstat(path)
            except OSError:
                continue
            found.append(f"{path} {status.st_mtime_ns} {status.st_size} {status.st_mode:o}")
    return sorted(found)


def _units() -> list[str]:
    if not Path("/run/systemd/system").is_dir():
        return []
    listed = _printed("systemctl", "list-units", "--state=running", "--no-legend", "--plain", "--no-pager")
    return sorted(line.split()[0] for line in listed.splitlines() if line.strip())


ASPECTS: dict[str, Callable[[], list[str]]] = {
    "iptables-nft": _nft_view,
    "iptables-legacy": _legacy_view,
    "legacy tables": _legacy_tables,
    "nft ruleset": lambda: _printed("nft", "--stateless", "list", "ruleset").splitlines(),
    "kernel modules": _modules,
    "named namespaces": lambda: sorted(_printed("ip", "netns", "list").splitlines()),
    "links and addresses": lambda: re.sub(
        r"valid_lft \S+|preferred_lft \S+", "", _printed("ip", "-o", "address")
    ).splitlines(),
    "mounts": _mounts,
    "listening sockets": _listening,
    "files under /etc": _etc,
    "running units": _units,
}
"""What is compared, each as a list of lines."""


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """One line per thing that came or went, named by its aspect."""
    found = []
    for aspect, old in before.items():
        new = after[aspect]
        lines = [f"{aspect}: gone: {line}" for line in old if line not in new]
        lines += [f"{aspect}: new: {line}" for line in new if line not in old]
        if old != new:
            found += lines or [f"{aspect}: the same lines in another order or number"]
    return found


@contextmanager
def host_unchanged(*, without: frozenset[str] = frozenset(), settle: float = 3.0) -> Iterator[None]:
    """Fails with a list of differences when the block changed the host.

    ``without`` names aspects that the block may change. What is still going away (a socket of a process
    that is being killed) has ``settle`` seconds to do so.
    """
    aspects = {name: look for name, look in ASPECTS.items() if name not in without}
    before = {name: look() for name, look in aspects.items()}
    yield
    deadline = time.monotonic() + settle
    while found := differences(before, {name: look() for name, look in aspects.items()}):
        if time.monotonic() > deadline:
            raise AssertionError("the host is not as it was:\n" + "\n".join(found[:40]))
        time.sleep(0.2)
