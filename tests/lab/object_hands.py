"""A cluster over real HTTPS with objects of cloudcore, hands on them, and other writers to let loose."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apiserver import ApiServer, Object, Rule, User
from apiserver.fixtures import TOKEN, certificates, recording, running

from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.certificates import CertificateActor
from kedoctor.changes.actors.objects import ObjectActor, ObjectClient
from kedoctor.changes.actors.pods import PodActor
from kedoctor.changes.executor import execute, prepare, roll_back
from kedoctor.changes.journal import Journal, JournalEntry
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.objects import (
    ApplyObject,
    DeleteObject,
    EditObjectYaml,
    IssueCertificates,
    PatchObject,
    RestartPods,
)
from kedoctor.model.actions.yaml_changes import YamlChange
from kedoctor.model.observations.request import Unavailable
from kedoctor.observe.live.cluster import LiveCluster

NS = "/api/v1/namespaces/kubeedge"
CM, SECRET = f"{NS}/configmaps/cloudcore", f"{NS}/secrets/cloudcore"
DS = "/apis/apps/v1/namespaces/kubeedge/daemonsets/cloud-iptables-manager"
ACCOUNT = f"{NS}/serviceaccounts/kedoctor-made"
WEAK = "a-weak-token"
TEXT = """modules:
  cloudHub:
    nodeLimit: 1000  # as the chart sets it
  cloudStream:
    enable: false
    streamPort: 10003
"""
# As cloudcore writes its ConfigMap anew when it starts: complete, in alphabetical order, without comments.
REWRITTEN = """commonConfig:
  tunnelPort: 10351
modules:
  cloudHub:
    nodeLimit: 1000
    writeTimeout: 30
  cloudStream:
    enable: true
    streamPort: 10003
    tunnelPort: 10004
"""
SWITCH_ON = EditObjectYaml(
    CM, "cloudcore.yaml", (YamlChange("set", "modules.cloudStream.enable", value=True),)
)
TOLERATION = {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
TOLERATE = PatchObject(DS, "strategic", {"spec": {"template": {"spec": {"tolerations": [TOLERATION]}}}})


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def named(kind: str, name: str, **rest: Any) -> Object:
    meta = {"name": name, "namespace": "kubeedge", "labels": {"kubeedge": "cloudcore"}}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **rest}


def pod(name: str, *, ready: bool = True) -> Object:
    made = named("Pod", name, spec={"containers": [{"name": "c", "image": "kubeedge/cloudcore"}]})
    made["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return made


def daemon_set() -> Object:
    found: Object = copy.deepcopy(recording(47).json)
    del found["spec"]["template"]["spec"]["tolerations"]
    return found


class Site:
    """A cluster, hands on it, and a journal."""

    def __init__(self, server: ApiServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.journal = Journal(directory / "journal")
        self.hands = self.actors(TOKEN)

    def config(self, token: str) -> Path:
        """A kubeconfig for the bearer of a token."""
        return self.server.kubeconfig(self.directory / f"config-{token}", certificates()[1], token)

    def actors(self, token: str, *, seconds: float = 20.0, patience: float = 5.0) -> Actors:
        found = LiveCluster(str(self.config(token))).server()
        assert not isinstance(found, Unavailable), found
        client = ObjectClient(found, seconds=seconds)
        objects = ObjectActor(client)
        kinds: tuple[type[Action], ...] = (EditObjectYaml, PatchObject, ApplyObject, DeleteObject)
        return Actors(
            dict.fromkeys(kinds, objects)
            | {RestartPods: PodActor(client, patience=patience, poll=0.05)}
            | {IssueCertificates: CertificateActor(client)}
        )

    def fix(self, *actions: Action, hands: Actors | None = None) -> JournalEntry:
        using = hands or self.hands
        prepared = prepare(using, actions)
        with deferred() as stop:
            return execute(self.journal, using, prepared, codes=["K"], command="t", stop=stop, tell=silent)

    def back(self, entry: JournalEntry) -> None:
        roll_back(entry, self.hands, tell=silent)

    def get(self, path: str) -> Object | None:
        found = self.hands.of(SWITCH_ON)._client.get(path)  # type: ignore[attr-defined]
        assert found is None or isinstance(found, dict)
        return found

    def content(self, path: str) -> Object:
        """The object without what the server counts by itself."""
        found = self.get(path)
        assert found is not None
        for name in ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"):
            found["metadata"].pop(name, None)
        (found["metadata"].get("annotations") or {}).pop("deprecated.daemonset.template.generation", None)
        return found

    def document(self) -> str:
        return str(self.content(CM)["data"]["cloudcore.yaml"])

    def somebody(self, path: str, patch: Object) -> Callable[[], None]:
        """Another writer, to be let loose at a moment of choice."""
        client = self.hands.of(SWITCH_ON)._client  # type: ignore[attr-defined]

        def write() -> None:
            client.write(path, "PATCH", patch, kind="merge", query="?fieldManager=somebody")

        return write

    def sent(self, method: str) -> list[str]:
        return [
            one.path for one in self.server.requests if one.method == method and "dryRun" not in one.query
        ]


def silent(_: str) -> None:
    pass


def real_patch(request: Any) -> bool:
    return (
        request.method == "PATCH" and not request.dry_run and request.query.get("fieldManager") == "kedoctor"
    )


@contextmanager
def site_at(directory: Path) -> Iterator[Site]:
    """A site with a ConfigMap, a Secret and a DaemonSet of cloudcore."""
    secret = named("Secret", "cloudcore", type="Opaque")
    secret["data"] = {
        name: b64(f"old {name}") for name in ("streamCA.crt", "stream.crt", "stream.key", "other")
    }
    objects = [
        named("ConfigMap", "cloudcore", data={"cloudcore.yaml": TEXT, "other": "x"}),
        secret,
        daemon_set(),
    ]
    weak = User("weak", ("system:authenticated",))

    def rules(user: User) -> list[Rule]:
        verbs = "get list" if user is weak else "*"
        return [Rule(verbs=verbs, groups="*", resources="*"), Rule(verbs="*", urls="*")]

    with running(objects, tokens={WEAK: weak}, rbac=rules) as server:
        yield Site(server, directory)
