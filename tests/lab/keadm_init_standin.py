"""A stand-in for ``keadm`` on the cloud: ``init`` and ``gettoken``, with keadm's checks, texts and exit codes.

``init`` installs the release as the chart does (facts.md §1.3, §6.1): it wants Kubernetes to answer, refuses where a
cloudcore process or a release is, makes the objects and waits for them for 60 seconds. ``LAB_KEADM_FAILS`` (a file)
makes it fail after its first objects, as a killed or timed-out keadm leaves them.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from control_plane import named, recorded, stream_secret  # noqa: E402  found by the line above

Object = dict[str, Any]
FAILS = Path("/run/lab-keadm-fails")
CALLS = Path("/run/lab-keadm-calls")
RELEASE = "sh.helm.release.v1.cloudcore.v1"
GROUPS = ("apps", "devices", "operations", "policy", "reliablesyncs", "rules")
KUBEEDGE = "/api/v1/namespaces/kubeedge"
CHART = """apiVersion: cloudcore.config.kubeedge.io/v1alpha2
kind: CloudCore
featureGates:
  requireAuthorization: false
kubeAPIConfig:
  kubeConfig: ""
  master: ""
modules:
  cloudHub:
    advertiseAddress:
{addresses}
    dnsNames:
      - ""
    nodeLimit: 1000
    tlsCAFile: /etc/kubeedge/ca/rootCA.crt
    tlsCAKeyFile: /etc/kubeedge/ca/rootCA.key
    tlsCertFile: /etc/kubeedge/certs/edge.crt
    tlsPrivateKeyFile: /etc/kubeedge/certs/edge.key
    unixsocket:
      address: unix:///var/lib/kubeedge/kubeedge.sock
      enable: true
    websocket:
      address: 0.0.0.0
      enable: true
      port: 10000
    quic:
      address: 0.0.0.0
      enable: false
      maxIncomingStreams: 10000
      port: 10001
    https:
      address: 0.0.0.0
      enable: true
      port: 10002
  cloudStream:
    enable: {stream}
    streamPort: 10003
    tunnelPort: 10004
  dynamicController:
    enable: {dynamic}
  router:
    enable: false
  iptablesManager:
    enable: true
    mode: external
"""


def say(message: str) -> None:
    sys.stdout.write(f"{message}\n")


def end(message: str) -> None:
    sys.stderr.write(f"Error: {message}\n")
    sys.exit(1)


class Kubernetes:
    """The API server of a kubeconfig."""

    def __init__(self, path: str) -> None:
        document = json.loads(Path(path).read_text())
        cluster = document["clusters"][0]["cluster"]
        self.url = cluster["server"]
        self.token = document["users"][0]["user"]["token"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.tls = ssl.create_default_context(cadata=authority)

    def ask(self, method: str, path: str, body: Object | None = None) -> Object | None:
        """The object; ``None`` where there is none."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=10) as answer:
                found: Object = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def make(self, path: str, obj: Object) -> None:
        """Creates an object; one of the same release is taken over, as Helm does."""
        obj["metadata"] = {
            key: value
            for key, value in obj["metadata"].items()
            if key in ("name", "namespace", "labels", "annotations")
        }
        obj.pop("status", None)
        if self.ask("GET", f"{path}/{obj['metadata']['name']}") is None:
            self.ask("POST", path, obj)


def flags(words: list[str]) -> dict[str, list[str]]:
    known = {
        "advertise-address",
        "kubeedge-version",
        "kube-config",
        "set",
        "force",
        "profile",
        "image-repository",
    }
    found: dict[str, list[str]] = {}
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in known:
            end(f"unknown flag: {word}")
        found.setdefault(name, []).append(value)
    return found


def init(words: list[str]) -> None:
    given = flags(words)
    version = given.get("kubeedge-version", [""])[0]
    if not version:
        end(
            "failed to get version with err:failed to get latest version from https://kubeedge.io/latestversion"
        )
    if any((place / "comm").read_text().strip() == "cloudcore" for place in Path("/proc").glob("[0-9]*")):
        end("the cloudcore is already running on this node, please run reset to clean up first")
    kubernetes = Kubernetes(given.get("kube-config", ["/root/.kube/config"])[0])
    kubernetes.ask("GET", "/version")
    say(f"Kubernetes version verification passed, KubeEdge {version} installation will start...")
    if kubernetes.ask("GET", f"{KUBEEDGE}/secrets/{RELEASE}") is not None:
        end(
            "the cloudcore release already exists, and you can upgrade the cloudcore using the `keadm upgrade`"
        )
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeedge"}}
    kubernetes.make("/api/v1/namespaces", namespace)
    secret = release("pending-install")
    kubernetes.make(f"{KUBEEDGE}/secrets", secret)
    kubernetes.make(f"{KUBEEDGE}/secrets", stream_secret(datetime.now(UTC)))
    if FAILS.exists():
        FAILS.unlink()
        end("failed to install release cloudcore, err: context deadline exceeded")
    install(kubernetes, given, version)
    wait(kubernetes)
    secret["metadata"]["labels"]["status"] = "deployed"
    kubernetes.ask("PUT", f"{KUBEEDGE}/secrets/{RELEASE}", secret)
    say("CLOUDCORE started\n=========CHART DETAILS=======\nName: cloudcore\nSTATUS: deployed\nREVISION: 1")


def rbac(kubernetes: Kubernetes) -> None:
    """What the chart lets cloudcore do, as far as anybody asks."""
    place = "/apis/rbac.authorization.k8s.io/v1"
    rules = [
        {"apiGroups": ["", "coordination.k8s.io"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [f"{one}.kubeedge.io" for one in GROUPS], "resources": ["*"], "verbs": ["*"]},
    ]
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "cloudcore"}}
    kubernetes.make(f"{place}/clusterroles", {**head, "kind": "ClusterRole", "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cloudcore"}
    who = [{"kind": "ServiceAccount", "name": "cloudcore", "namespace": "kubeedge"}]
    binding = {**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": who}
    kubernetes.make(f"{place}/clusterrolebindings", binding)


def install(kubernetes: Kubernetes, given: dict[str, list[str]], version: str) -> None:
    sets = dict(word.partition("=")[::2] for words in given.get("set", []) for word in words.split(","))
    addresses = "\n".join(f"      - {one}" for one in given.get("advertise-address", [""])[0].split(","))
    document = CHART.format(
        addresses=addresses,
        stream=sets.get("cloudCore.modules.cloudStream.enable", "true"),
        dynamic=sets.get("cloudCore.modules.dynamicController.enable", "false"),
    )
    objects = recorded()
    rbac(kubernetes)
    config = named(objects, "ConfigMap", "cloudcore")
    config["data"] = {"cloudcore.yaml": document}
    kubernetes.make(f"{KUBEEDGE}/configmaps", config)
    for name in ("cloudcore", "iptables-manager-sa"):
        kubernetes.make(f"{KUBEEDGE}/serviceaccounts", named(objects, "ServiceAccount", name))
    kubernetes.make(f"{KUBEEDGE}/services", named(objects, "Service", "cloudcore"))
    for kind, name, plural in (
        ("DaemonSet", "cloud-iptables-manager", "daemonsets"),
        ("DaemonSet", "edge-eclipse-mosquitto", "daemonsets"),
        ("Deployment", "cloudcore", "deployments"),
    ):
        obj = named(objects, kind, name)
        for container in obj["spec"]["template"]["spec"]["containers"]:
            container["image"] = container["image"].replace("v1.22.0", version)
        kubernetes.make(f"/apis/apps/v1/namespaces/kubeedge/{plural}", obj)


def wait(kubernetes: Kubernetes) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = kubernetes.ask("GET", "/apis/apps/v1/namespaces/kubeedge/deployments/cloudcore") or {}
        if (found.get("status") or {}).get("availableReplicas"):
            return
        time.sleep(0.2)
    end("failed to install release cloudcore, err: timed out waiting for the condition")


def release(status: str) -> Object:
    labels = {"name": "cloudcore", "owner": "helm", "status": status, "version": "1"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": RELEASE, "namespace": "kubeedge", "labels": labels},
        "type": "helm.sh/release.v1",
        "data": {"release": base64.b64encode(b"of the lab").decode()},
    }


def main(words: list[str]) -> None:
    with CALLS.open("a") as calls:
        calls.write(" ".join(words) + "\n")
    if words[:1] == ["version"]:
        say('version: version.Info{Major:"1", Minor:"22", GitVersion:"v1.22.0"}')
    elif words[:1] == ["init"]:
        init(words[1:])
    else:
        end(f'unknown command "{" ".join(words)}" for "keadm"')


if __name__ == "__main__":
    main(sys.argv[1:])
