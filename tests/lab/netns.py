"""Network namespaces for lab tests: real kernel paths, nothing left behind.

A namespace lives as long as a process that waits for the end of its input. If the test run is killed, that
input ends and the kernel takes the namespace with all its rules away. No name is registered under
/run/netns, and iptables' lock file is a private one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Backend = Literal["nft", "legacy"]
BACKENDS: tuple[Backend, Backend] = ("nft", "legacy")
TOOLS = (
    "unshare",
    "nsenter",
    "ip",
    "conntrack",
    "iptables-nft",
    "iptables-nft-save",
    "iptables-legacy",
    "iptables-legacy-save",
)


def missing(*tools: str) -> str | None:
    """Why namespaces cannot be used here (a reason to skip), or None when they can.

    Without arguments it asks for everything that both iptables backends need.
    """
    if os.geteuid() != 0:
        return "needs root to make network namespaces"
    lacking = [tool for tool in tools or TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"needs {', '.join(lacking)}"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return f"cannot make a network namespace: {tried.stderr.strip()}" if tried.returncode else None


class NetworkNamespace:
    """A network namespace with its loopback up; leave the ``with`` block and it is gone.

    Processes begun with :meth:`start` are killed first.
    """

    def __init__(self) -> None:
        self._holder: subprocess.Popen[bytes] | None = None
        self._children: list[subprocess.Popen[str]] = []
        self._scratch = tempfile.TemporaryDirectory(prefix="netns-lab-")

    def __enter__(self) -> Self:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        own = Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + 5
        while Path(self.path).readlink() == own:
            if time.monotonic() > deadline or self._holder.poll() is not None:
                self.close()
                raise RuntimeError("the namespace did not come up")
            time.sleep(0.002)
        self.run(["ip", "link", "set", "lo", "up"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything that runs in the namespace, and with it the namespace."""
        for child in self._children:
            child.kill()
            child.communicate()
        self._children.clear()
        if self._holder is not None and self._holder.stdin is not None:
            self._holder.stdin.close()
            self._holder.wait(timeout=5)
        self._scratch.cleanup()

    @property
    def pid(self) -> int:
        """A process inside, for tools that take a namespace by process (``ip link set X netns PID``)."""
        if self._holder is None:
            raise RuntimeError("enter the namespace first")
        return self._holder.pid

    @property
    def path(self) -> str:
        """The namespace as a file, for ``nsenter --net=PATH``."""
        return f"/proc/{self.pid}/ns/net"

    @property
    def env(self) -> dict[str, str]:
        """The environment of everything that runs inside."""
        return os.environ | {"XTABLES_LOCKFILE": str(Path(self._scratch.name) / "lock"), "LC_ALL": "C"}

    def _entering(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(
        self, argv: Sequence[str], *, check: bool = True, stdin: str = "", timeout: float = 15
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside and wait for it; a failure raises with what it printed."""
        done = subprocess.run(
            self._entering(argv),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=self.env,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr or done.stdout}")
        return done

    def start(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command inside; it is killed at the end. Its standard output is a pipe."""
        child = subprocess.Popen(self._entering(argv), stdout=subprocess.PIPE, text=True, env=self.env)
        self._children.append(child)
        return child

    def exec_python(self, source: str, *arguments: object, timeout: float = 15) -> str:
        """What a Python program prints that runs inside, with ``sys.argv[1:]`` as given."""
        words = [str(argument) for argument in arguments]
        return self.run([sys.executable, "-I", "-c", source, *words], timeout=timeout).stdout

    def start_python(self, source: str, *arguments: object) -> subprocess.Popen[str]:
        """Start a Python program inside; returns after its first line, which says that it is ready."""
        words = [str(argument) for argument in arguments]
        child = self.start([sys.executable, "-u", "-I", "-c", source, *words])
        if child.stdout is None or not child.stdout.readline():
            raise AssertionError("the program ended before it was ready")
        return child

    def iptables(self, backend: Backend, *arguments: str, check: bool = True) -> str:
        """What ``iptables-BACKEND`` prints."""
        return self.run([f"iptables-{backend}", *arguments], check=check).stdout

    def save(self, backend: Backend) -> str:
        """What ``iptables-BACKEND-save`` prints."""
        return self.run([f"iptables-{backend}-save"]).stdout

    def join(self, other: "NetworkNamespace", address: str, other_address: str) -> None:
        """Lay a cable (``eth0``) to another namespace; addresses with prefix length."""
        self.run(
            ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(other.pid)]
        )
        for side, its_address in ((self, address), (other, other_address)):
            side.run(["ip", "address", "add", its_address, "dev", "eth0"])
            side.run(["ip", "link", "set", "eth0", "up"])
