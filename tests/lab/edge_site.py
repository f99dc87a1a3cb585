"""An edge host in a booted machine: edgecore's stand-in under systemd, its files, and a cloud on 10.99.0.1."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from systemd_machine import Machine, boot

from kedoctor.pki.certificates import Issued, make_ca, read_certificates, sign_server

HERE = Path(__file__).parent
CLOUD = "10.99.0.1"
CONFIG = "/etc/kubeedge/config/edgecore.yaml"
CERTIFICATE, KEY = "/etc/kubeedge/certs/server.crt", "/etc/kubeedge/certs/server.key"
ROOT_CA = "/etc/kubeedge/ca/rootCA.crt"
BOOTSTRAP = "/etc/kubeedge/bootstrap-edgecore.conf"
LOCK = "/var/lib/kedoctor/journal/lock"

# As keadm writes it (facts.md §2.2).
UNIT = """\
[Unit]
Description=edgecore.service

[Service]
Type=simple
ExecStart=/usr/local/bin/edgecore
Restart=always
RestartSec=10
KillMode=process

[Install]
WantedBy=multi-user.target
"""
CLOUD_UNIT = """\
[Service]
ExecStart=/usr/sbin/ip netns exec cloud /usr/local/bin/standin-cloud 10.99.0.1 /etc/standin/cloud
"""
YAML = """\
# written by hand on the shop floor; ask Wang before changing it
apiVersion: edgecore.config.kubeedge.io/v1alpha2
kind: EdgeCore
modules:
  edgeHub:
    heartbeat: 15
    httpServer: https://10.99.0.1:10002   # certificates
    token: ""
    websocket:
      enable: true
      server: 10.99.0.1:10000  # the cloud
  edgeStream:
    enable: true   # logs and exec
    handshakeTimeout: 30
    readDeadline: 15
    server: 10.99.0.1:10004
    tlsTunnelCertFile: /etc/kubeedge/certs/server.crt
    tlsTunnelPrivateKeyFile: /etc/kubeedge/certs/server.key
    writeDeadline: 15
  edged:
    hostnameOverride: edge1
    tailoredKubeletConfig:
      address: 127.0.0.1
      cgroupDriver: cgroupfs
      readOnlyPort: 10350
"""


class EdgeSite:
    """One edge host; every test begins with :meth:`reset`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.born = datetime.now(UTC).replace(microsecond=0)
        self.ca = make_ca("KubeEdge", self.born - timedelta(days=800), 36400)
        self.good = self.issue()
        self.token = self.join_token()
        self._install()

    def issue(self, *, node: str = "edge1", issued: datetime | None = None) -> Issued:
        return sign_server(
            self.ca,
            f"system:node:{node}",
            (),
            issued or self.born - timedelta(days=1),
            algorithm="ECDSA-P-256",
            organizations=("system:nodes",),
        )

    def join_token(self, expires: timedelta = timedelta(hours=24)) -> str:
        claims = {"exp": int((self.born + expires).timestamp())}
        parts = [{"alg": "HS256", "typ": "JWT"}, claims]
        coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        digest = hashlib.sha256(read_certificates(self.ca.certificate)[0].der).hexdigest()
        return ".".join([digest, *coded, "c2lnbmVkLWJ5LXRoZS1jbG91ZA"])

    def _install(self) -> None:
        self._install_cloud()
        self._install_edge()

    def _install_cloud(self) -> None:
        """The network, and a cloud behind it that serves its three ports."""
        machine = self.machine
        machine.shell(
            "hostname edge1; ip netns add cloud; ip link add edge0 type veth peer name cloud0 netns cloud;"
            f"ip -n cloud address add {CLOUD}/24 dev cloud0; ip -n cloud link set cloud0 up;"
            f"ip address add 10.99.0.2/24 dev edge0; ip link set edge0 up; ip route add default via {CLOUD}"
        )
        self.script("/usr/local/bin/standin-cloud", "cloud_standin.py")
        server = sign_server(self.ca, "KubeEdge", (CLOUD,), self.born - timedelta(days=1))
        for name, data in (
            ("ca.crt", self.ca.certificate),
            ("ca.key", self.ca.key),
            ("server.crt", server.certificate),
            ("server.key", server.key),
            ("token", self.token.encode()),
        ):
            machine.write(f"/etc/standin/cloud/{name}", data, mode=0o600)
        machine.unit("standin-cloud.service", CLOUD_UNIT)
        machine.run("systemctl", "start", "standin-cloud")
        self.until(lambda: f"{CLOUD}:10002" in machine.shell("ip netns exec cloud ss -Htln"))

    def script(self, path: str, name: str) -> None:
        """Installs one of the stand-ins as a program."""
        text = (HERE / name).read_text()
        self.machine.write(path, f"#!{sys.executable} -P\n{text}", mode=0o755)

    def _install_edge(self) -> None:
        machine = self.machine
        self.script("/usr/local/bin/edgecore", "edgecore_standin.py")
        # A runtime that is there, as far as can be seen without talking to it.
        machine.unit("containerd.service", "[Service]\nExecStart=/bin/sleep infinity\n")
        machine.unit("containerd.socket", "[Socket]\nListenStream=/run/containerd/containerd.sock\n")
        plugins = [{"type": "bridge", "ipam": {"type": "host-local"}}, {"type": "portmap"}]
        network = {"cniVersion": "1.0.0", "name": "kubeedge-cni", "plugins": plugins}
        machine.write("/etc/cni/net.d/10-kubeedge-bridge.conflist", json.dumps(network))
        for plugin in ("bridge", "host-local", "portmap", "loopback"):
            machine.write(f"/opt/cni/bin/{plugin}", "#!/bin/sh\n", mode=0o755)
        machine.unit("edgecore.service", UNIT)
        machine.run("systemctl", "start", "containerd.socket")
        machine.run("systemctl", "enable", "edgecore")

    # ------------------------------------------------------------------------------------------ states

    def reset(self, text: str | bytes = YAML, *, start: bool = True) -> None:
        """A healthy edge with this configuration and nothing left of what was before."""
        machine = self.machine
        machine.shell(
            "systemctl stop edgecore; systemctl reset-failed edgecore 2>/dev/null || true;"
            "rm -rf /var/lib/kedoctor /etc/kubeedge /run/edgecore-starts /etc/standin/dies-streaming;"
            "systemctl enable edgecore 2>/dev/null; journalctl --rotate -q; journalctl --vacuum-time=1s -q",
        )
        machine.write(CONFIG, text, mode=0o640)
        machine.write(ROOT_CA, self.ca.certificate, mode=0o600)
        self.put(self.good)
        if start:
            self.start()

    def put(self, pair: Issued) -> None:
        self.machine.write(CERTIFICATE, pair.certificate, mode=0o600)
        self.machine.write(KEY, pair.key, mode=0o600)

    def start(self) -> None:
        """Starts edgecore and waits until it has said that it runs, or has died."""
        self.machine.run("systemctl", "start", "edgecore")
        self.until(lambda: self.starts() > 0)
        time.sleep(1)

    def until(self, good: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not good():
            assert time.monotonic() < deadline, self.journal()
            time.sleep(0.1)

    # --------------------------------------------------------------------------------------- looking

    def text(self) -> bytes:
        return self.machine.path(CONFIG).read_bytes()

    def starts(self) -> int:
        """How often edgecore was started since the reset."""
        try:
            return len(self.machine.path("/run/edgecore-starts").read_text().splitlines())
        except FileNotFoundError:
            return 0

    def journal(self) -> str:
        return self.machine.run("journalctl", "-u", "edgecore", "--no-pager", check=False).stdout

    def tunnels(self) -> int:
        """Connections that edgecore holds to the tunnel server."""
        seen = self.machine.shell(f"ss -Htnp state established dst {CLOUD} dport = :10004")
        return seen.count('"edgecore"')

    def unit(self) -> dict[str, str]:
        shown = self.machine.shell(
            "systemctl show edgecore -p ActiveState -p UnitFileState -p NRestarts -p MainPID"
        )
        return dict(line.split("=", 1) for line in shown.splitlines())

    def files(self) -> str:
        """Every file below /etc/kubeedge with kind, mode, owner, and content or target."""
        return self.machine.shell(
            "cd /etc/kubeedge; find . -printf '%p %y %m %u %g %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum"
        )


@contextmanager
def edge_site() -> Iterator[EdgeSite]:
    with boot() as machine:
        yield EdgeSite(machine)
