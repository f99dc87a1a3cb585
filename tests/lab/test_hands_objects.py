"""Hands on Kubernetes objects over real HTTPS: conflicts, refusals, time-outs, other writers, certificates, pods."""

from __future__ import annotations

import base64
import copy
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from apiserver import ApiServer, Object, Rule, User
from apiserver.fixtures import TOKEN, certificates, recording, running

from kedoctor.changes import failpoints
from kedoctor.changes.actions import (
    Action,
    ApplyObject,
    DeleteObject,
    EditObjectYaml,
    IssueCertificates,
    PatchObject,
    RestartPods,
    YamlChange,
)
from kedoctor.changes.actors import Actors, ConflictError, RefusedError
from kedoctor.changes.carrying import carry_out, prepare, recover, take_back
from kedoctor.changes.hands.certificates import CertificateActor
from kedoctor.changes.hands.objects import ObjectActor, ObjectClient
from kedoctor.changes.hands.pods import PodActor
from kedoctor.changes.journal import Entry, Journal, Phase
from kedoctor.changes.signals import deferred
from kedoctor.errors import ChangeError
from kedoctor.live.cluster import LiveCluster
from kedoctor.observations import Unavailable
from kedoctor.x509 import key_matches, read_certificates, read_private_key

pytestmark = pytest.mark.lab

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

    def actors(self, token: str, *, seconds: float = 20.0, patience: float = 5.0) -> Actors:
        config = self.server.kubeconfig(self.directory / f"config-{token}", certificates()[1], token)
        found = LiveCluster(str(config)).server()
        assert not isinstance(found, Unavailable), found
        client = ObjectClient(found, seconds=seconds)
        objects = ObjectActor(client)
        kinds: tuple[type[Action], ...] = (EditObjectYaml, PatchObject, ApplyObject, DeleteObject)
        return Actors(
            dict.fromkeys(kinds, objects)
            | {RestartPods: PodActor(client, patience=patience, poll=0.05)}
            | {IssueCertificates: CertificateActor(client)}
        )

    def fix(self, *actions: Action, hands: Actors | None = None) -> Entry:
        using = hands or self.hands
        prepared = prepare(using, actions)
        with deferred() as stop:
            return carry_out(self.journal, using, prepared, codes=["K"], command="t", stop=stop, tell=_silent)

    def back(self, entry: Entry) -> None:
        take_back(entry, self.hands, tell=_silent)

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


def _silent(_: str) -> None:
    pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
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
        yield Site(server, tmp_path)


class TestDocuments:
    """A YAML document inside a ConfigMap."""

    def test_one_key_is_set_and_goes_back_and_everything_else_stays(self, site: Site) -> None:
        before = site.content(CM)
        (diff,) = [one.diff for one in prepare(site.hands, [SWITCH_ON]).foresight]
        assert [line for line in diff.splitlines() if line[:2] in ("- ", "+ ")] == [
            "-    enable: false",
            "+    enable: true",
        ]
        assert site.sent("PATCH") == []
        entry = site.fix(SWITCH_ON)
        assert site.document() == TEXT.replace("enable: false", "enable: true")
        assert prepare(site.hands, [SWITCH_ON]).actions == ()
        site.back(entry)
        assert site.content(CM) == before

    def test_its_owner_may_write_it_anew_before_it_goes_back(self, site: Site) -> None:
        entry = site.fix(SWITCH_ON)
        site.somebody(CM, {"data": {"cloudcore.yaml": REWRITTEN}})()
        site.back(entry)
        assert site.document() == REWRITTEN.replace("enable: true", "enable: false")
        assert entry.phase is Phase.UNDONE

    def test_a_key_that_was_not_there_is_taken_out_of_what_its_owner_wrote(self, site: Site) -> None:
        entry = site.fix(
            EditObjectYaml(
                CM, "cloudcore.yaml", (YamlChange("set", "modules.cloudHub.writeTimeout", value=30),)
            )
        )
        site.somebody(CM, {"data": {"cloudcore.yaml": REWRITTEN}})()
        site.back(entry)
        assert site.document() == REWRITTEN.replace("    writeTimeout: 30\n", "")

    def test_somebody_who_changed_our_key_keeps_it(self, site: Site) -> None:
        entry = site.fix(SWITCH_ON)
        other = REWRITTEN.replace("enable: true", "enable: 'no'")
        site.somebody(CM, {"data": {"cloudcore.yaml": other}})()
        with pytest.raises(ConflictError):
            site.back(entry)
        assert site.document() == other
        assert entry.phase is Phase.ATTENTION

    def test_what_is_no_yaml_any_more_is_refused(self, site: Site) -> None:
        site.somebody(CM, {"data": {"cloudcore.yaml": "a: ["}})()
        with pytest.raises(RefusedError, match="no YAML"):
            prepare(site.hands, [SWITCH_ON])


class TestOtherWriters:
    """A controller or a colleague writes between our reading and our writing."""

    @pytest.mark.parametrize("kind", ["merge", "json"])
    def test_elsewhere_in_the_object_it_is_tried_again_and_their_part_stays(
        self, site: Site, kind: str
    ) -> None:
        patch: Any = {"data": {"other": "ours"}}
        if kind == "json":
            patch = [{"op": "replace", "path": "/data/other", "value": "ours"}]
        theirs = site.somebody(CM, {"data": {"theirs": "1"}, "metadata": {"labels": {"by": "somebody"}}})
        site.server.faults.add(_real_patch, before=theirs, times=1)
        entry = site.fix(PatchObject(CM, kind, patch))
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "ours", "theirs": "1"}
        site.back(entry)
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "x", "theirs": "1"}
        assert site.content(CM)["metadata"]["labels"]["by"] == "somebody"

    def test_in_our_part_it_is_a_conflict_and_theirs_stays(self, site: Site) -> None:
        theirs = site.somebody(CM, {"data": {"other": "theirs"}})
        site.server.faults.add(
            lambda request: _real_patch(request) and b"ours" in request.body, before=theirs, times=1
        )
        with pytest.raises(ConflictError):
            site.fix(SWITCH_ON, PatchObject(CM, "merge", {"data": {"other": "ours"}}))
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "theirs"}
        assert site.journal.entries()[0].phase is Phase.UNDONE

    def test_who_never_lets_go_ends_it(self, site: Site) -> None:
        site.server.faults.add(_real_patch, status=409)
        with pytest.raises(ConflictError, match="changed by somebody else"):
            site.fix(SWITCH_ON)
        assert len(site.sent("PATCH")) == 4

    def test_while_it_goes_back(self, site: Site) -> None:
        entry = site.fix(TOLERATE)
        theirs = site.somebody(DS, {"metadata": {"annotations": {"note": "theirs"}}})
        site.server.faults.add(_real_patch, before=theirs, times=1)
        site.back(entry)
        assert site.content(DS)["metadata"]["annotations"]["note"] == "theirs"
        assert "tolerations" not in site.content(DS)["spec"]["template"]["spec"]


def _real_patch(request: Any) -> bool:
    return (
        request.method == "PATCH" and not request.dry_run and request.query.get("fieldManager") == "kedoctor"
    )


class TestRefusals:
    """Before anything is touched where it can be known, else everything is taken back."""

    def test_no_right_to_write(self, site: Site) -> None:
        with pytest.raises(RefusedError, match='User "weak" cannot patch resource'):
            site.fix(SWITCH_ON, hands=site.actors(WEAK))
        assert site.document() == TEXT

    def test_admission_that_refuses_a_dry_run(self, site: Site) -> None:
        site.server.faults.add(f"PATCH {DS}", status=400, message="admission webhook denied the request: no")
        with pytest.raises(RefusedError, match="admission webhook denied"):
            site.fix(SWITCH_ON, TOLERATE)
        assert site.sent("PATCH") == []

    def test_admission_that_refuses_in_the_middle(self, site: Site) -> None:
        site.server.faults.add(
            lambda request: _real_patch(request) and request.path == DS,
            status=400,
            message="admission webhook denied",
        )
        with pytest.raises(RefusedError, match="admission webhook denied"):
            site.fix(SWITCH_ON, TOLERATE)
        assert site.document() == TEXT
        assert site.journal.entries()[0].phase is Phase.UNDONE

    def test_a_time_out_in_the_middle(self, site: Site) -> None:
        site.server.faults.add(
            lambda request: _real_patch(request) and request.path == DS, hang_after_accept=True, times=1
        )
        started = time.monotonic()
        with pytest.raises(RefusedError, match=r"no answer|in time"):
            site.fix(SWITCH_ON, TOLERATE, hands=site.actors(TOKEN, seconds=1.0))
        assert time.monotonic() - started < 10
        assert site.document() == TEXT
        assert site.journal.entries()[0].phase is Phase.UNDONE
        assert {one.query.get("timeout") for one in site.server.requests if one.method == "PATCH"} >= {"1s"}

    def test_an_answer_that_is_lost_after_it_was_written(self, site: Site) -> None:
        before = site.content(DS)
        site.server.faults.add(
            lambda request: _real_patch(request) and request.path == DS, truncate=50, times=1
        )
        with pytest.raises(RefusedError):
            site.fix(SWITCH_ON, TOLERATE)
        assert site.document() == TEXT
        assert site.content(DS) == before

    def test_a_server_that_goes_away_leaves_it_for_later(self, site: Site) -> None:
        quick = site.actors(TOKEN, seconds=1.0)
        gone = site.server.faults.add(f"(GET|PATCH) {DS}(?!.*dryRun)", drop=True)
        gone.times = 0
        prepared = prepare(quick, [SWITCH_ON, TOLERATE])
        gone.times = None
        with deferred() as stop, pytest.raises(ChangeError):
            carry_out(site.journal, quick, prepared, codes=[], command="", stop=stop, tell=_silent)
        (entry,) = site.journal.entries()
        assert entry.phase in (Phase.ATTENTION, Phase.UNDONE)
        site.server.faults.clear()
        if entry.phase is Phase.ATTENTION:
            site.back(entry)
        assert site.document() == TEXT


class TestWholeObjects:
    """Objects applied, deleted and made anew."""

    BODY: Object = named("ServiceAccount", "kedoctor-made", automountServiceAccountToken=False)

    def test_applying_creates_and_going_back_deletes(self, site: Site) -> None:
        entry = site.fix(ApplyObject(ACCOUNT, self.BODY))
        assert site.content(ACCOUNT)["automountServiceAccountToken"] is False
        assert prepare(site.hands, [ApplyObject(ACCOUNT, self.BODY)]).actions == ()
        site.somebody(ACCOUNT, {"metadata": {"labels": {"touched": "by-a-controller"}}})()
        site.back(entry)
        assert site.get(ACCOUNT) is None

    def test_applying_over_an_object_and_going_back(self, site: Site) -> None:
        before = site.content(CM)
        body = named("ConfigMap", "cloudcore", data={"other": "ours", "new": "1"})
        body["metadata"]["labels"] = {"made": "so"}
        entry = site.fix(ApplyObject(CM, body))
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "ours", "new": "1"}
        site.back(entry)
        assert site.content(CM) == before

    def test_deleting_and_making_anew(self, site: Site) -> None:
        before, uid = site.content(SECRET), (site.get(SECRET) or {})["metadata"]["uid"]
        (foreseen,) = prepare(site.hands, [DeleteObject(SECRET)]).foresight
        assert foreseen.diff == f"- {SECRET}"
        entry = site.fix(DeleteObject(SECRET))
        assert site.get(SECRET) is None
        assert prepare(site.hands, [DeleteObject(SECRET)]).actions == ()
        site.back(entry)
        assert site.content(SECRET) == before
        assert (site.get(SECRET) or {})["metadata"]["uid"] != uid

    def test_what_somebody_made_anew_meanwhile_stays(self, site: Site) -> None:
        entry = site.fix(DeleteObject(SECRET))
        site.server.store.load([named("Secret", "cloudcore", data={"theirs": b64("x")})])
        with pytest.raises(ConflictError):
            site.back(entry)
        assert site.content(SECRET)["data"] == {"theirs": b64("x")}

    def test_a_deletion_that_somebody_wrote_before(self, site: Site) -> None:
        theirs = site.somebody(SECRET, {"data": {"other": b64("theirs")}})
        site.server.faults.add("DELETE ", before=theirs, times=1)
        with pytest.raises(ConflictError):
            site.fix(DeleteObject(SECRET))
        assert site.content(SECRET)["data"]["other"] == b64("theirs")

    def test_tolerations_of_a_daemon_set(self, site: Site) -> None:
        before = site.content(DS)
        entry = site.fix(TOLERATE)
        assert site.content(DS)["spec"]["template"]["spec"]["tolerations"] == [TOLERATION]
        assert prepare(site.hands, [TOLERATE]).actions == ()
        site.back(entry)
        assert site.content(DS) == before

    def test_a_secret_s_values_are_not_shown(self, site: Site) -> None:
        patch = PatchObject(SECRET, "merge", {"data": {"stream.key": b64("very private")}})
        (foreseen,) = prepare(site.hands, [patch]).foresight
        assert "stream.key" in foreseen.diff
        assert b64("very private") not in foreseen.diff
        assert b64("old stream.key") not in foreseen.diff


class TestPods:
    """Pods are deleted, and their successors waited for."""

    RESTART = RestartPods("kubeedge", "kubeedge=cloudcore")

    def test_successors_are_waited_for(self, site: Site) -> None:
        site.server.store.load([pod("cloudcore-1"), pod("cloudcore-2")])
        site.server.store.on_change.append(self.replace_by(site, ready=True))
        site.fix(self.RESTART)
        assert sorted(site.sent("DELETE")) == [f"{NS}/pods/cloudcore-1", f"{NS}/pods/cloudcore-2"]

    def test_successors_that_never_get_ready_are_a_refusal(self, site: Site) -> None:
        site.server.store.load([pod("cloudcore-1")])
        site.server.store.on_change.append(self.replace_by(site, ready=False))
        with pytest.raises(RefusedError, match=r"did not become ready within 0\.3 s"):
            site.fix(SWITCH_ON, self.RESTART, hands=site.actors(TOKEN, patience=0.3))
        assert site.document() == TEXT

    def test_a_pod_that_has_gone_by_itself_is_no_refusal(self, site: Site) -> None:
        site.server.store.load([pod("cloudcore-1"), pod("cloudcore-2")])
        site.server.faults.add("DELETE .*cloudcore-1", before=lambda: self.gone(site), times=1)
        site.server.store.on_change.append(self.replace_by(site, ready=True))
        site.fix(self.RESTART)

    def gone(self, site: Site) -> None:
        store = site.server.store
        resource = store.resources.find("", "v1", "pods")
        assert resource is not None
        entry = store.get(resource, "kubeedge", "cloudcore-1")
        assert entry is not None
        store.delete(resource, entry.obj)

    def replace_by(self, site: Site, *, ready: bool) -> Callable[[Any], None]:
        def controller(event: Any) -> None:
            if event.kind == "DELETED" and event.table[1] == "pods":
                site.server.store.load([pod(event.entry.obj["metadata"]["name"] + "-next", ready=ready)])

        return controller


class TestCertificates:
    """A new CA and server certificate in a Secret."""

    ISSUE = IssueCertificates(
        SECRET,
        "streamCA.crt",
        "stream.crt",
        "stream.key",
        "cloudcore",
        ("cloudcore.kubeedge", "cloudcore.kubeedge.svc"),
        ("10.99.0.1",),
        365,
    )

    def values(self, site: Site) -> dict[str, bytes]:
        return {key: base64.b64decode(value) for key, value in site.content(SECRET)["data"].items()}

    def test_they_fit_together_and_the_rest_stays(self, site: Site) -> None:
        before = site.content(SECRET)
        entry = site.fix(self.ISSUE)
        values = self.values(site)
        (ca,), (server,) = read_certificates(values["streamCA.crt"]), read_certificates(values["stream.crt"])
        assert server.is_signed_by(ca)
        assert key_matches(server, read_private_key(values["stream.key"]))
        assert all(server.covers(host) for host in (*self.ISSUE.dns_names, *self.ISSUE.ip_addresses))
        assert server.valid_at(datetime.now(UTC)) == "valid"
        assert 363 < (server.not_after - datetime.now(UTC)).days < 366
        assert (ca.is_ca, server.common_name, ca.common_name) == (True, "cloudcore", "cloudcore-ca")
        assert values["other"] == b"old other"
        assert site.content(SECRET)["metadata"] == before["metadata"]
        site.back(entry)
        assert site.content(SECRET) == before

    def test_the_private_key_is_written_nowhere_else(self, site: Site) -> None:
        entry = site.fix(self.ISSUE)
        key = self.values(site)["stream.key"]
        middle = key.split(b"\n")[3]
        written = b"".join(path.read_bytes() for path in site.directory.rglob("*") if path.is_file())
        for form in (middle, base64.b64encode(key), base64.b64encode(base64.b64encode(key))[:60]):
            assert form not in written
        assert all("PRIVATE" not in diff for diff in entry.manifest.diffs)

    def test_the_diff_tells_dates_and_names(self, site: Site) -> None:
        site.fix(self.ISSUE)
        (foreseen,) = prepare(site.hands, [self.ISSUE]).foresight
        _, old, new = foreseen.diff.splitlines()
        names = "cloudcore.kubeedge, cloudcore.kubeedge.svc, 10.99.0.1"
        assert old.startswith(f"- cloudcore, for {names}, valid {datetime.now(UTC):%Y-%m-%d} to 20")
        assert new == f"+ cloudcore, for {names}, valid for 365 days from now, by a new CA cloudcore-ca"

    def test_a_failure_at_every_step_leaves_the_old_ones(self, site: Site) -> None:
        before = site.content(SECRET)
        try:
            for number in range(1, 99):
                os.environ["KEDOCTOR_FAILPOINT"], failpoints._reached = f"{number}:EIO", 0
                try:
                    site.fix(self.ISSUE)
                    break
                except ChangeError:
                    os.environ.pop("KEDOCTOR_FAILPOINT")
                    recover(site.journal, site.hands, tell=_silent)
                    assert site.content(SECRET) == before, f"at step {number}"
        finally:
            os.environ.pop("KEDOCTOR_FAILPOINT", None)
        assert number > 8

    def test_somebody_elses_certificates_stay(self, site: Site) -> None:
        entry = site.fix(self.ISSUE)
        site.somebody(SECRET, {"data": {"stream.crt": b64("theirs")}})()
        with pytest.raises(ConflictError):
            site.back(entry)
        assert self.values(site)["stream.crt"] == b"theirs"

    def test_another_key_may_change_meanwhile(self, site: Site) -> None:
        site.server.faults.add(
            _real_patch, before=site.somebody(SECRET, {"data": {"other": b64("new")}}), times=1
        )
        entry = site.fix(self.ISSUE)
        site.back(entry)
        assert self.values(site) == {
            "streamCA.crt": b"old streamCA.crt",
            "stream.crt": b"old stream.crt",
            "stream.key": b"old stream.key",
            "other": b"new",
        }

    def test_no_secret_and_no_right_are_refused(self, site: Site) -> None:
        with pytest.raises(RefusedError, match="cannot patch"):
            prepare(site.actors(WEAK), [self.ISSUE])
        site.fix(DeleteObject(SECRET))
        with pytest.raises(RefusedError, match="does not exist"):
            prepare(site.hands, [self.ISSUE])
