"""A stand-in for keadm v1.22.0 on an edge: refuses what it refuses, and joins in its order (facts.md §6.1).

It takes its arguments as the real one does (an unknown flag or a number in ``--set`` ends it), wants ``/etc/kubeedge``
empty and ``GET :10002/node/<name>`` to say 404, needs installation-package and the sandbox image in containerd's
namespace k8s.io, and calls ``sudo systemctl``. The bootstrap file gets what ``--token`` says, which may be nothing.
"""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any, NoReturn

HOME = Path("/etc/kubeedge")
FLAGS = (
    "cloudcore-ipport",
    "certport",
    "edgenode-name",
    "kubeedge-version",
    "remote-runtime-endpoint",
    "cgroupdriver",
    "token",
    "set",
)
EDGECORE = Path("/usr/local/lib/standin/edgecore")  # "inside" of installation-package
SLOW = Path("/etc/standin/keadm-slow")  # seconds before the configuration is written
UNIT = """\
[Unit]
Description=edgecore.service

[Service]
Type=simple
ExecStart=/usr/local/bin/edgecore
Restart=always
RestartSec=10
KillMode=process
Environment="DEPLOY_MQTT_CONTAINER=false"

[Install]
WantedBy=multi-user.target
"""


def fail(message: str) -> NoReturn:
    sys.stderr.write(f"Error: {message}\nexecute keadm command failed:  {message}\n")
    sys.exit(1)


def parsed(words: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not equals or name not in FLAGS:
            fail(f"unknown flag: {word}")
        found.setdefault(name, []).append(value)
    return found


def refuse_dirty_host() -> None:
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = comm.read_text().strip()
        except OSError:
            continue
        if name == "edgecore":
            fail("EdgeCore is already running on this node, please run reset to clean up first")
    if HOME.is_dir() and any(HOME.iterdir()):
        fail(f"the management directory {HOME} is not clean, please remove it first")


def refuse_existing_node(host: str, port: str, node: str) -> None:
    connection = http.client.HTTPSConnection(
        host, int(port), context=ssl._create_unverified_context(), timeout=10
    )
    connection.request("GET", f"/node/{node}")
    if connection.getresponse().status != 404:
        fail("edge node join failed: node already exists or internal error occurred, cannot register again")


def copy_resources(version: str, endpoint: str) -> None:
    """What the real one does with a pod sandbox: the images and the CRI must be there."""
    address = endpoint.removeprefix("unix://")
    ctr = ["ctr", "--address", address]
    plugins = subprocess.run([*ctr, "plugins", "ls"], capture_output=True, text=True, check=False).stdout
    if not any(line.split()[1:2] == ["cri"] and line.split()[-1] == "ok" for line in plugins.splitlines()):
        fail(
            'edge node join failed: validate service connection: validate CRI v1 image API for endpoint "'
            f'{endpoint}": rpc error: code = Unimplemented desc = unknown service runtime.v1.ImageService'
        )
    images = subprocess.run(
        [*ctr, "-n", "k8s.io", "images", "ls", "-q"], capture_output=True, text=True, check=True
    ).stdout.split()
    package = f"docker.io/kubeedge/installation-package:{version}"
    if package not in images:
        fail(f"edge node join failed: pull image failed: failed to resolve reference {package}: no such host")
    settings = tomllib.loads(Path("/etc/containerd/config.toml").read_text())
    name = "io.containerd.grpc.v1.cri" if settings.get("version") else "cri"
    sandbox = settings["plugins"][name]["sandbox_image"]
    if sandbox not in images:
        fail(f'edge node join failed: copy resources failed: failed to get sandbox image "{sandbox}"')
    if not list(Path("/etc/cni/net.d").glob("*.conflist")):
        fail("edge node join failed: copy resources failed: cni plugin not initialized")
    beside = Path("/usr/local/bin/.edgecore.part")
    shutil.copy(EDGECORE, beside)
    beside.rename("/usr/local/bin/edgecore")


def configuration(given: dict[str, list[str]]) -> dict[str, Any]:
    hub, port = given["cloudcore-ipport"][0], given["certport"][0]
    host = hub.rpartition(":")[0]
    (runtime,) = given["remote-runtime-endpoint"]
    tree: dict[str, Any] = {
        "apiVersion": "edgecore.config.kubeedge.io/v1alpha2",
        "kind": "EdgeCore",
        "modules": {
            "edgeHub": {
                "heartbeat": 15,
                "httpServer": f"https://{host}:{port}",
                "token": given.get("token", [""])[0],
                "websocket": {"enable": True, "server": hub},
            },
            "edgeStream": {
                "enable": False,
                "handshakeTimeout": 30,
                "readDeadline": 15,
                "server": f"{host}:10004",
                "tlsTunnelCAFile": "/etc/kubeedge/ca/rootCA.crt",
                "tlsTunnelCertFile": "/etc/kubeedge/certs/server.crt",
                "tlsTunnelPrivateKeyFile": "/etc/kubeedge/certs/server.key",
                "writeDeadline": 15,
            },
            "edged": {
                "hostnameOverride": given["edgenode-name"][0],
                "tailoredKubeletConfig": {
                    "address": "127.0.0.1",
                    "cgroupDriver": given["cgroupdriver"][0],
                    "containerRuntimeEndpoint": runtime,
                    "imageServiceEndpoint": runtime,
                    "readOnlyPort": 10350,
                },
            },
        },
    }
    for one in given.get("set", []):
        path, _, value = one.partition("=")
        *above, key = path.split(".")
        below = tree
        for part in above:
            below = below[part]
        if not isinstance(below[key], bool | str):
            fail(f"edge node join failed: cannot set {path}: reflect: call of SetInt on string Value")
        below[key] = value == "true" if isinstance(below[key], bool) else value
    return tree


def written(tree: dict[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in tree.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:\n{written(value, indent + '  ')}")
        else:
            text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else value
            lines.append(f"{indent}{key}: {text!r}\n" if text == "" else f"{indent}{key}: {text}\n")
    return "".join(lines)


def join(words: list[str]) -> None:
    given = parsed(words)
    if "cloudcore-ipport" not in given:
        fail('required flag(s) "cloudcore-ipport" not set')
    refuse_dirty_host()
    host = given["cloudcore-ipport"][0].rpartition(":")[0]
    refuse_existing_node(host, given["certport"][0], given["edgenode-name"][0])
    for name in ("", "config", "dmi"):
        (HOME / name).mkdir(exist_ok=True)
    copy_resources(given["kubeedge-version"][0], given["remote-runtime-endpoint"][0])
    Path("/etc/systemd/system/edgecore.service").write_text(UNIT)
    bootstrap = HOME / "bootstrap-edgecore.conf"
    bootstrap.write_text(given.get("token", [""])[0])
    bootstrap.chmod(0o640)
    if SLOW.exists():
        time.sleep(float(SLOW.read_text()))
    (HOME / "config/edgecore.yaml").write_text(written(configuration(given)))
    start = "sudo systemctl daemon-reload && sudo systemctl enable edgecore && sudo systemctl start edgecore"
    ended = subprocess.run(["bash", "-c", start], capture_output=True, text=True, check=False)
    if ended.returncode:
        fail(f"edge node join failed: start edgecore failed: {ended.stderr.strip()}")
    files = [HOME / name for name in ("ca/rootCA.crt", "certs/server.crt", "certs/server.key")]
    deadline = time.monotonic() + 6  # the real one waits 300 s
    while not all(file.exists() for file in files):
        if time.monotonic() > deadline:
            bootstrap.unlink(missing_ok=True)
            fail("edge node join failed: timed out waiting for the condition")
        time.sleep(0.1)
    bootstrap.unlink(missing_ok=True)
    sys.stdout.write("KubeEdge edgecore is running, For logs visit: journalctl -u edgecore.service -xe\n")


def main(words: list[str]) -> None:
    with Path("/run/keadm-calls").open("a") as calls:
        calls.write(f"{' '.join(words)}\n")
    if words[:1] == ["version"]:
        sys.stdout.write('version: version.Info{Major:"1", Minor:"22", GitVersion:"v1.22.0"}\n')
    elif words[:1] == ["join"]:
        join(words[1:])
    else:
        fail(f'unknown command "{words[0]}" for "keadm"')


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[2:])  # argv[1] is the program that was called
