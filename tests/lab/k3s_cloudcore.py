"""cloudcore as a process beside the stand-in of K3s: it follows its pod, and writes what the real one writes.

At its start it makes what is missing of its Secrets, a new token, its entry in the record of tunnel ports, and its
ConfigMap in full (facts.md §1.1, §3.3, §4.1); then it listens (cloud_standin.py).
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane import cloudcore_secret, named, recorded, token_secret
from control_plane import kubeedge_secret as secret_of

from kedoctor.pki.certificates import make_ca, pem_from_der, read_certificates
from kedoctor.sandbox.apiserver.store import Object
from kedoctor.yaml.document import SetKey, load
from kedoctor.yaml.edit import edit

if TYPE_CHECKING:
    from k3s_cluster import Cluster

HERE = Path(__file__).parent
RECORD = "tunnelportrecord.kubeedge.io"


class Cloudcore:
    """The process of the pod of cloudcore."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None
        self._pod = ""

    def make_room(self, pod: Object) -> None:
        """Its hostPath volume, which the kubelet makes before a container starts."""
        if pod["metadata"]["labels"].get("kubeedge") == "cloudcore":
            Path("/var/lib/kubeedge").mkdir(parents=True, exist_ok=True)

    def follow(self) -> None:
        """Starts the process with the pod that is there, and stops it with it."""
        pods = [
            one
            for one in self._cluster.all("", "pods")
            if one["metadata"]["labels"].get("kubeedge") == "cloudcore"
            and one["status"]["phase"] == "Running"
        ]
        name = pods[0]["metadata"]["name"] if pods else ""
        if name != self._pod or (self._process is not None and self._process.poll() is not None):
            self.stop()
            if pods and all(self._there("", "secrets", one) for one in ("cloudcore",)):
                self._start(name)

    def _there(self, group: str, plural: str, name: str) -> bool:
        return any(one["metadata"]["name"] == name for one in self._cluster.all(group, plural))

    def _secret(self, name: str) -> Object:
        return next(one for one in self._cluster.all("", "secrets") if one["metadata"]["name"] == name)

    def _start(self, pod: str) -> None:
        text = next(
            one for one in self._cluster.all("", "configmaps") if one["metadata"]["name"] == "cloudcore"
        )["data"]["cloudcore.yaml"]
        settings = load(text).data["modules"]
        if not self._there("", "secrets", "casecret"):
            authority = make_ca("KubeEdge", _now(), 36400)
            der = read_certificates(authority.certificate)[0].der
            self._cluster.put(secret_of("casecret", cadata=der, cakeydata=authority.key))
        if not self._there("", "secrets", "cloudcoresecret"):
            self._cluster.put(
                cloudcore_secret(self._secret("casecret"), tuple(settings["cloudHub"]["advertiseAddress"]))
            )
        self._cluster.put(token_secret(self._secret("casecret")))
        port = self._record()
        self._expand(settings, port)
        stream = bool((settings.get("cloudStream") or {}).get("enable"))
        home = self._home()
        self._process = subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig",
                "KILL",
                sys.executable,
                "-P",
                str(HERE / "cloud_standin.py"),
                "0.0.0.0",
                str(home),
                "stream" if stream else "hub",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._pod = pod
        self._say(pod, stream)

    def _home(self) -> Path:
        home = self._cluster.data / "lab-cloudcore"
        home.mkdir(exist_ok=True, mode=0o700)
        authority, server = self._secret("casecret")["data"], self._secret("cloudcoresecret")["data"]
        stream = self._secret("cloudcore")["data"]
        (home / "ca.crt").write_bytes(pem_from_der(base64.b64decode(authority["cadata"])))
        (home / "ca.key").write_bytes(base64.b64decode(authority["cakeydata"]))
        (home / "server.crt").write_bytes(pem_from_der(base64.b64decode(server["cloudcoredata"])))
        (home / "server.key").write_bytes(base64.b64decode(server["cloudcorekeydata"]))
        (home / "stream.crt").write_bytes(base64.b64decode(stream["stream.crt"]))
        (home / "stream.key").write_bytes(base64.b64decode(stream["stream.key"]))
        (home / "token").write_bytes(base64.b64decode(self._secret("tokensecret")["data"]["tokendata"]))
        return home

    def _record(self) -> int:
        """Its own entry in the record of tunnel ports: the same port for the same address, else the next."""
        found = [
            one for one in self._cluster.all("", "configmaps") if one["metadata"]["name"] == "tunnelport"
        ]
        record = (
            json.loads(found[0]["metadata"]["annotations"][RECORD])
            if found
            else {"ipTunnelPort": {}, "port": {}}
        )
        port = record["ipTunnelPort"].get(self._cluster.address) or 1 + max(
            map(int, record["port"]), default=10350
        )
        record = {"ipTunnelPort": {self._cluster.address: port}, "port": {**record["port"], str(port): True}}
        meta = {"name": "tunnelport", "namespace": "kubeedge", "annotations": {RECORD: json.dumps(record)}}
        self._cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
        return int(port)

    def _expand(self, settings: dict[str, Any], port: int) -> None:
        """The document in full, all defaults in it, as cloudcore writes it back."""
        whole = named(recorded(), "ConfigMap", "cloudcore")["data"]["cloudcore.yaml"]
        changes = [
            SetKey(("commonConfig", "tunnelPort"), port),
            SetKey(
                ("modules", "cloudHub", "advertiseAddress"), list(settings["cloudHub"]["advertiseAddress"])
            ),
            SetKey(
                ("modules", "cloudStream", "enable"), bool((settings.get("cloudStream") or {}).get("enable"))
            ),
            SetKey(
                ("modules", "dynamicController", "enable"),
                bool((settings.get("dynamicController") or {}).get("enable")),
            ),
            SetKey(
                ("modules", "iptablesManager", "mode"),
                (settings.get("iptablesManager") or {}).get("mode", "internal"),
            ),
        ]
        with self._cluster.server.store.lock:
            obj = next(
                one for one in self._cluster.all("", "configmaps") if one["metadata"]["name"] == "cloudcore"
            )
            text = edit(whole.encode(), changes).decode()
            if obj["data"]["cloudcore.yaml"] != text:
                self._cluster.put({**obj, "data": {"cloudcore.yaml": text}})

    def _say(self, pod: str, stream: bool) -> None:
        def line(text: str) -> str:
            return f"I{_now():%m%d %H:%M:%S.%f}       1 {text}\n"

        told = line("server.go:98] Version: v1.22.0")
        if stream:
            told += line("module.go:90] Module cloudStream registered successfully")
            told += line("streamserver.go:407] Prepare to start stream server ...")
            told += line("tunnelserver.go:208] Prepare to start tunnel server ...")
        else:
            told += line("module.go:93] Module cloudStream is disabled, do not register")
        self._cluster.server.edge.container("kubeedge", pod, "cloudcore").log = told

    def stop(self) -> None:
        """Ends the process, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)
        self._process, self._pod = None, ""


def _now() -> datetime:
    return datetime.now(UTC)
