"""Hands on objects of the real API server: plan, act, other writers in between, the way back, and who owns what afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import object_hands
import pytest
import real_cluster
import real_control_plane
from object_hands import (
    ACCOUNT,
    CM,
    DS,
    REWRITTEN,
    SECRET,
    SWITCH_ON,
    TEXT,
    TOLERATE,
    TOLERATION,
    Object,
    Site,
    b64,
    named,
)
from real_control_plane import ADMIN_TOKEN, WEAK_TOKEN, Cluster

from kedoctor.changes.actors.objects import ObjectClient
from kedoctor.changes.executor import prepare
from kedoctor.changes.journal import Journal, Phase
from kedoctor.model.actions.objects import (
    ApplyObject,
    DeleteObject,
    EditObjectYaml,
    IssueCertificates,
    PatchObject,
)
from kedoctor.model.actions.yaml_changes import YamlChange
from kedoctor.model.actors import ConflictError, RefusedError

pytestmark = real_cluster.marks(real_control_plane.obstacle(), seconds=300)

KUBEEDGE = "/api/v1/namespaces/kubeedge"
ISSUE = IssueCertificates(
    SECRET,
    "streamCA.crt",
    "stream.crt",
    "stream.key",
    "cloudcore",
    ("cloudcore.kubeedge",),
    ("10.99.0.1",),
    365,
)


class RealSite(Site):
    """The same hands, on the real server."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.directory = directory
        self.journal = Journal(directory / "journal")
        self.hands = self.actors(ADMIN_TOKEN)

    def config(self, token: str) -> Path:
        return self.cluster.papers.token_config(token)

    def managers(self, path: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in (self.get(path) or {})["metadata"].get("managedFields", ()):
            found[one["manager"]] = one["operation"]
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with real_control_plane.control_plane(tmp_path_factory.mktemp("objects")) as made:
        made.create("/api/v1/namespaces", {"metadata": {"name": "kubeedge"}})
        yield made


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[RealSite]:
    daemon_set = object_hands.daemon_set()
    secret = named("Secret", "cloudcore", type="Opaque")
    secret["data"] = {key: b64(f"old {key}") for key in ("streamCA.crt", "stream.crt", "stream.key", "other")}
    config_map = named("ConfigMap", "cloudcore", data={"cloudcore.yaml": TEXT, "other": "x"})
    for path, body in ((CM, config_map), (SECRET, secret), (DS, daemon_set)):
        cluster.ask("DELETE", path)
        body["metadata"] = {key: body["metadata"][key] for key in ("name", "namespace", "labels")}
        body.pop("status", None)
        cluster.create(path.rpartition("/")[0], body)
    cluster.ask("DELETE", ACCOUNT)
    with cluster.cloud.entered():
        yield RealSite(cluster, tmp_path)


def before_ours(monkeypatch: pytest.MonkeyPatch, method: str, theirs: Callable[[], None]) -> None:
    """Lets somebody write right before our first request of that method that is not a dry run."""
    write, done = ObjectClient.write, []

    def wrapped(self: ObjectClient, path: str, how: str, *rest: Any, **more: Any) -> Any:
        ours = "somebody" not in str(more.get("query", "")) and "dryRun" not in str(more) + str(rest)
        if how == method and ours and not done:
            done.append(path)
            theirs()
        return write(self, path, how, *rest, **more)

    monkeypatch.setattr(ObjectClient, "write", wrapped)


MADE: Object = named("ServiceAccount", "kedoctor-made", automountServiceAccountToken=False)
CHANGED: Object = named("ConfigMap", "cloudcore", data={"other": "ours", "new": "1"})
ACTIONS = {
    "a key of a document": (SWITCH_ON, CM),
    "a merge patch": (PatchObject(CM, "merge", {"data": {"other": "ours", "new": "1"}}), CM),
    "a JSON patch": (
        PatchObject(CM, "json", [{"op": "replace", "path": "/data/other", "value": "ours"}]),
        CM,
    ),
    "a strategic patch": (TOLERATE, DS),
    "an apply over what is there": (ApplyObject(CM, CHANGED), CM),
    "an apply that makes": (ApplyObject(ACCOUNT, MADE), ACCOUNT),
    "a deletion": (DeleteObject(SECRET), SECRET),
    "new certificates": (ISSUE, SECRET),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_it_is_planned_done_and_taken_back(site: RealSite, name: str) -> None:
    action, path = ACTIONS[name]
    before = site.content(path) if site.get(path) else None
    (foreseen,) = prepare(site.hands, [action]).foresight
    assert foreseen.diff
    assert (site.content(path) if site.get(path) else None) == before, "a plan changes nothing"
    entry = site.fix(action)
    after = site.content(path) if site.get(path) else None
    assert after != before
    if not isinstance(action, DeleteObject):
        assert "kedoctor" in site.managers(path)
    if not isinstance(action, IssueCertificates):
        assert prepare(site.hands, [action]).actions == (), "a second time there is nothing to do"
    site.back(entry)
    assert (site.content(path) if site.get(path) else None) == before
    assert entry.phase is Phase.UNDONE


def test_others_keep_what_is_theirs_in_the_managed_fields(site: RealSite) -> None:
    site.somebody(CM, {"data": {"theirs": "1"}})()
    entry = site.fix(SWITCH_ON)
    assert site.managers(CM)["somebody"] == "Update"
    site.back(entry)
    owned = next(
        one for one in (site.get(CM) or {})["metadata"]["managedFields"] if one["manager"] == "somebody"
    )
    assert set(owned["fieldsV1"]["f:data"]) - {"."} == {"f:theirs"}


@pytest.mark.parametrize("kind", ["merge", "json"])
def test_a_controller_that_writes_elsewhere_in_between(
    site: RealSite, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch: Any = {"data": {"other": "ours"}}
    if kind == "json":
        patch = [{"op": "replace", "path": "/data/other", "value": "ours"}]
    before_ours(monkeypatch, "PATCH", site.somebody(CM, {"data": {"theirs": "1"}}))
    entry = site.fix(PatchObject(CM, kind, patch))
    assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "ours", "theirs": "1"}
    site.back(entry)
    assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "x", "theirs": "1"}


def test_a_controller_that_writes_our_part_in_between(
    site: RealSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_ours(monkeypatch, "PATCH", site.somebody(CM, {"data": {"other": "theirs"}}))
    with pytest.raises(ConflictError):
        site.fix(PatchObject(CM, "merge", {"data": {"other": "ours"}}))
    assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "theirs"}


def test_a_deletion_that_somebody_wrote_before(site: RealSite, monkeypatch: pytest.MonkeyPatch) -> None:
    before_ours(monkeypatch, "DELETE", site.somebody(SECRET, {"data": {"other": b64("theirs")}}))
    with pytest.raises(ConflictError):
        site.fix(DeleteObject(SECRET))
    assert site.content(SECRET)["data"]["other"] == b64("theirs")


def test_an_apply_overwrites_nobody_who_writes_in_between(
    site: RealSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_ours(monkeypatch, "PATCH", site.somebody(CM, {"data": {"other": "theirs"}}))
    with pytest.raises(ConflictError):
        site.fix(ApplyObject(CM, CHANGED))
    assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "theirs"}


def test_an_apply_takes_over_nothing_that_is_made_in_between(
    site: RealSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"metadata": {"name": "kedoctor-made"}, "automountServiceAccountToken": True}
    before_ours(monkeypatch, "POST", lambda: site.cluster.create(f"{KUBEEDGE}/serviceaccounts", theirs))
    with pytest.raises(ConflictError):
        site.fix(ApplyObject(ACCOUNT, MADE))
    assert site.content(ACCOUNT)["automountServiceAccountToken"] is True


def test_its_owner_writes_it_anew_before_it_goes_back(site: RealSite) -> None:
    entry = site.fix(SWITCH_ON)
    site.somebody(CM, {"data": {"cloudcore.yaml": REWRITTEN}})()
    site.back(entry)
    assert site.document() == REWRITTEN.replace("enable: true", "enable: false")


def test_no_right_to_write_is_known_before_anything_is_touched(site: RealSite) -> None:
    with pytest.raises(RefusedError, match='User "weak" cannot'):
        site.fix(SWITCH_ON, hands=site.actors(WEAK_TOKEN))
    assert site.document() == TEXT


def test_what_the_server_finds_invalid_takes_back_what_was_done(site: RealSite) -> None:
    wrong = PatchObject(DS, "merge", {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}})
    with pytest.raises(RefusedError, match="Unsupported value"):
        site.fix(SWITCH_ON, wrong)
    assert site.document() == TEXT


def test_several_in_one_plan_go_back_together(site: RealSite) -> None:
    before = [site.content(path) for path in (CM, DS, SECRET)]
    more = EditObjectYaml(CM, "cloudcore.yaml", (YamlChange("set", "modules.cloudHub.nodeLimit", value=5),))
    entry = site.fix(SWITCH_ON, more, TOLERATE, ISSUE)
    assert site.content(DS)["spec"]["template"]["spec"]["tolerations"] == [TOLERATION]
    site.back(entry)
    assert [site.content(path) for path in (CM, DS, SECRET)] == before
