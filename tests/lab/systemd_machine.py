"""A Debian with a systemd of its own, booted in a second by systemd-nspawn and thrown away afterwards.

The machine's root is an overlay over a base that is never written to. It has its own network (``lo`` only), its own
processes and its own systemd; Python and this tree are mounted read-only into it, so kedoctor itself can run there::

    @pytest.fixture(scope="module")
    def machine() -> Iterator[Machine]:
        with boot() as machine:
            yield machine

``pytestmark = [pytest.mark.lab, needs_machine]`` skips a test file where this cannot work, and says why.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("KEDOCTOR_LAB_CACHE", "/var/cache/kedoctor-lab"))
BASE = CACHE / "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,iproute2,iptables"
TOOLS = ("systemd-nspawn", "nsenter", "unshare", "setpriv", "mount")
TREE = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "PYTHONDONTWRITEBYTECODE": "1",
}

# Everything is mounted in a mount namespace of its own, which ends with the machine.
BOOT = """
set -e
scratch=$1 name=$2; shift 2
for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  if mkdir "$hierarchy/$name" 2>/dev/null; then echo $$ > "$hierarchy/$name/cgroup.procs"; fi
done
mount -t tmpfs -o mode=755 tmpfs "$scratch/disk"
mkdir "$scratch/disk/upper" "$scratch/disk/work" "$scratch/disk/root"
mount -t overlay -o "lowerdir=$BASE,upperdir=$scratch/disk/upper,workdir=$scratch/disk/work" overlay "$scratch/disk/root"
exec setpriv --pdeathsig TERM systemd-nspawn --quiet --directory="$scratch/disk/root" --machine="$name" \
  --private-network --boot --register=no --keep-unit --console=pipe "$@"
"""

_numbers = itertools.count()


def _obstacle() -> str:
    """Why no machine can be booted here, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if not BASE.is_dir() and shutil.which("debootstrap") is None:
        return f"needs {BASE} or debootstrap"
    return ""


needs_machine = pytest.mark.skipif(bool(_obstacle()), reason=_obstacle() or "can boot machines")


class Machine:
    """A booted machine; ``leader`` is its pid 1 as seen from here, ``root`` its file system."""

    def __init__(self, name: str, scratch: Path, supervisor: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.leader = 0
        self._scratch = scratch
        self._supervisor = supervisor

    @property
    def root(self) -> Path:
        return Path(f"/proc/{self.leader}/root")

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def run(
        self, *argv: str, check: bool = True, timeout: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as root, in all of the machine's namespaces."""
        ran = subprocess.run(
            ["nsenter", f"--target={self.leader}", "--all", "--", *argv],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=ENVIRONMENT,
            check=False,
        )
        assert not check or ran.returncode == 0, (
            f"{argv} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
        )
        return ran

    def shell(self, script: str, *, check: bool = True, timeout: float = 60) -> str:
        """What a shell script prints inside."""
        return self.run("sh", "-ec", script, check=check, timeout=timeout).stdout

    def python(self, script: str, *arguments: str, check: bool = True, timeout: float = 60) -> str:
        """What a Python script prints inside; kedoctor and its libraries can be imported."""
        return self.run(sys.executable, "-P", "-c", script, *arguments, check=check, timeout=timeout).stdout

    def kedoctor(
        self, *arguments: str, timeout: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs kedoctor inside; its exit code is part of the answer."""
        return self.run(
            sys.executable, "-P", "-m", "kedoctor", *arguments, check=False, timeout=timeout, stdin=stdin
        )

    def write(self, path: str, content: str | bytes, *, mode: int = 0o644) -> None:
        """Puts a file into the machine, with its directories."""
        place = self.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)

    def copy(self, source: Path, path: str) -> None:
        """Copies a file or directory of this host into the machine."""
        if source.is_dir():
            shutil.copytree(source, self.path(path), symlinks=True, dirs_exist_ok=True)
        else:
            self.write(path, source.read_bytes(), mode=source.stat().st_mode & 0o7777)

    def unit(self, name: str, text: str) -> None:
        """Installs a systemd unit."""
        self.write(f"/etc/systemd/system/{name}", text)
        self.run("systemctl", "daemon-reload")

    def wait(self, seconds: float = 30) -> None:
        """Waits until the machine is up; says what its console showed if it is not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._supervisor.poll() is None:
            self.leader = self.leader or _child_of(self._supervisor.pid)
            if self.leader and self.run("systemctl", "is-system-running", check=False).stdout.strip() in {
                "running",
                "degraded",
            }:
                return
            time.sleep(0.05)
        raise RuntimeError(f"the machine did not come up:\n{self.console()}")

    def console(self) -> str:
        return (self._scratch / "console").read_text(errors="replace")

    def stop(self) -> None:
        """Ends the machine and proves that nothing of it is left."""
        for request in (self._supervisor.terminate, self._supervisor.terminate, self._supervisor.kill):
            request()
            with suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(10)
                break
        for hierarchy in ("systemd", "unified"):
            _remove_cgroup(Path("/sys/fs/cgroup", hierarchy, self.name))
        shutil.rmtree(self._scratch)
        assert self.leftovers() == []

    def leftovers(self) -> list[str]:
        """Mounts, processes, control groups and files that still bear the machine's name."""
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if self._mine(line)]
        processes = [
            f"process {entry.parent.name}"
            for entry in Path("/proc").glob("[0-9]*/cgroup")
            if self._mine(_text(entry))
        ]
        places = [
            *Path("/sys/fs/cgroup").glob(f"*/{self.name}"),
            *Path("/run/systemd/nspawn").glob(f"*/{self.name}*"),
        ]
        return [
            *mounts,
            *processes,
            *map(str, places),
            *([str(self._scratch)] if self._scratch.exists() else []),
        ]

    def _mine(self, text: str) -> bool:
        return self.name in text or str(self._scratch) in text


@contextmanager
def boot(*, bind: tuple[str, ...] = ()) -> Iterator[Machine]:
    """A running machine with ``bind`` (directories of this host) mounted read-only at the same places."""
    _make_base()
    name = f"kedoctor-lab-{os.getpid()}-{next(_numbers)}"
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    (scratch / "disk").mkdir()
    options = [f"--bind-ro={place}" for place in _python_places() | set(bind)]
    with (scratch / "console").open("wb") as console:
        supervisor = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--propagation=private",
                "sh",
                "-c",
                BOOT,
                "boot",
                str(scratch),
                name,
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, "BASE": str(BASE)},
            start_new_session=True,
        )
    machine = Machine(name, scratch, supervisor)
    try:
        machine.wait()
        yield machine
    finally:
        machine.stop()


def _python_places() -> set[str]:
    """The directories that hold this Python, its libraries and this tree."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if sys.base_prefix != "/usr":
        return {sys.base_prefix, sys.prefix, str(TREE)}
    # The distribution's own Python: its directories, not all of /usr.
    places = {f"/usr/lib/{version}", f"/usr/bin/{version}", "/usr/lib/python3", sys.prefix, str(TREE)}
    return {place for place in places if place != "/usr" and Path(place).exists()}


def _make_base() -> None:
    if BASE.is_dir():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="bookworm-", dir=CACHE))
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(draft)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(draft)
        pytest.skip(f"debootstrap cannot make the base: {made.stdout[-300:]}{made.stderr[-300:]}")
    draft.chmod(0o755)
    draft.rename(BASE)


def _child_of(pid: int) -> int:
    children = _text(Path(f"/proc/{pid}/task/{pid}/children")).split()
    return next(
        (int(child) for child in children if _text(Path(f"/proc/{child}/comm")).strip() == "systemd"), 0
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _remove_cgroup(group: Path) -> None:
    for directory, _, _ in os.walk(group, topdown=False):
        deadline = time.monotonic() + 5
        while Path(directory).exists() and time.monotonic() < deadline:
            with suppress(OSError):
                Path(directory).rmdir()
                break
            time.sleep(0.02)
