"""The checks of an upgrade: a backup of the settings, and the streams of upgraded edges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from edge_samples import YAML
from edge_samples import file as edge_file
from remedied import planned, verdict_of
from siteworld import NOW, both_languages, cluster, edge, edges, made

from kedoctor.api import (
    BackupManifest,
    EveryHost,
    FactUnavailableError,
    Finding,
    NoPlan,
    Reason,
    Status,
    Unavailable,
    WriteFile,
    decode,
)
from kedoctor.changes.actors.files import FileActor
from kedoctor.checks.distribution.facts_backups import ConfigBackups
from kedoctor.checks.distribution.facts_settings import (
    HostSettings,
    SecretSettings,
    SiteSettings,
    host_settings,
    secret_settings,
    site_settings,
)
from kedoctor.checks.distribution.fix_backup import config_backup as remedy
from kedoctor.checks.distribution.upgrade import config_backup, rolling_upgrade, upgraded
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreDocument, CloudcoreWorkload
from kedoctor.checks.facts.cluster.metrics import NodeSamples
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreFile, EdgeName
from kedoctor.checks.parsers.kubernetes import Deployment, Secret
from kedoctor.model.plans import merge
from kedoctor.model.settings import KeptDocument, differences, flattened
from kedoctor.yaml.document import load

NEW = "v1.31.12-kubeedge-v1.22.2"
CLOUD_YAML = "modules:\n  cloudStream:\n    enable: true\n"


def _workload(tag: str = "v1.22.0") -> CloudcoreWorkload:
    container = {"name": "cloudcore", "image": f"kubeedge/cloudcore:{tag}"}
    template = {"metadata": {}, "spec": {"containers": [container]}}
    deployment = made(Deployment, metadata={"name": "cloudcore"}, spec={"selector": {}, "template": template})
    return CloudcoreWorkload(deployment, ())


def _site(text: str = CLOUD_YAML) -> SiteSettings:
    return site_settings(CloudcoreDocument(text, load(text)))


def _host(text: str = YAML) -> HostSettings:
    read = EdgecoreFile("/etc/kubeedge/config/edgecore.yaml", edge_file(text).file, document=load(text))
    return host_settings(read, EdgeName("edge1"))


def _backup(*found: SiteSettings | HostSettings, days: float = 1) -> ConfigBackups:
    documents = tuple(
        KeptDocument(one.name, one.title, one.values) for each in found for one in each.documents
    )
    moment = NOW - timedelta(days=days)
    return ConfigBackups(
        (BackupManifest(id=f"backup-{days}", created=moment, host="h", tool="0", documents=documents),)
    )


def _judged(
    *,
    site: Any = None,
    host: HostSettings | None = None,
    kept: Any = None,
    versions: tuple[str, ...] = ("", ""),
    tag: str = "v1.22.0",
) -> list[Finding]:
    seen = edges(
        *(edge(f"edge{n}", **({"version": version} if version else {})) for n, version in enumerate(versions))
    )
    found = list(
        config_backup(
            site if site is not None else _site(),
            EveryHost({"edge1": host or HostSettings(())}),
            EveryHost({"edge1": kept or ConfigBackups()}),
            edges=seen,
            workload=_workload(tag),
        )
    )
    assert all(both_languages(one) for one in found)
    return found


# ------------------------------------------------------------------------------------------ KE941


def test_without_an_upgrade_a_missing_backup_is_no_fault() -> None:
    assert [one.status for one in _judged(host=_host())] == [Status.SKIP, Status.SKIP]


@pytest.mark.parametrize(("versions", "tag"), [(("", NEW), "v1.22.0"), (("", ""), "v1.22.2")])
def test_an_upgrade_without_a_backup_is_warned_of(versions: tuple[str, ...], tag: str) -> None:
    found = _judged(host=_host(), versions=versions, tag=tag)
    assert [(one.subject, one.status) for one in found] == [
        ("configmap/kubeedge/cloudcore", Status.WARN),
        ("edgecore.yaml of edge1", Status.WARN),
    ]


def test_backups_that_could_not_be_looked_at_are_not_known_to_be_missing() -> None:
    unread = Unavailable(Reason.PERMISSION, "files matching /var/lib/kedoctor/backups/*/manifest.json")
    assert [one.status for one in _judged(kept=unread, versions=("", NEW))] == [Status.UNKNOWN]
    assert [one.status for one in _judged(kept=unread)] == [Status.SKIP]


def test_a_backup_that_holds_what_is_there_is_right_also_when_cloudcore_wrote_its_defaults() -> None:
    # cloudcore writes the whole document at start, and its tunnel port with it (testbed.md surprise 5).
    rewritten = (
        "apiVersion: cloudcore.config.kubeedge.io/v1alpha1\nkind: CloudCore\ncommonConfig:\n  tunnelPort: 10353\n"
        + CLOUD_YAML
        + "    tunnelPort: 10004\n  cloudHub:\n    keepaliveInterval: 30\n    writeTimeout: 30\n"
    )
    (found,) = _judged(site=_site(rewritten), kept=_backup(_site()))
    assert found.status is Status.PASS


def test_what_was_changed_since_is_named() -> None:
    changed = _site(CLOUD_YAML.replace("true", "false"))
    (found,) = _judged(site=changed, kept=_backup(_site()))
    assert found.status is Status.WARN
    assert "modules.cloudStream.enable" in found.summary.en
    assert str(found.actual) == "modules.cloudStream.enable: true -> false"


def test_the_newest_backup_counts() -> None:
    changed = _site(CLOUD_YAML.replace("true", "false"))
    older, newer = _backup(changed, days=2), _backup(_site(), days=1)
    both = ConfigBackups((*older.manifests, *newer.manifests))
    assert [one.status for one in _judged(kept=both)] == [Status.PASS]


def test_a_key_that_cloudcore_does_not_read_is_a_setting_too() -> None:
    (found,) = _judged(site=_site(CLOUD_YAML + "    enabled: true\n"), kept=_backup(_site()))
    assert "modules.cloudStream.enabled" in found.summary.en


# ------------------------------------------------------------------------------------------ its remedy


def _remedied(host: HostSettings) -> list[WriteFile]:
    found = next(one for one in _judged(host=host, versions=("", NEW)) if "edge1" in one.subject)
    verdict = verdict_of(config_backup, found)
    plan = planned(remedy(verdict, _site(), EveryHost({"edge1": host}), HostTime(NOW)), verdict)
    assert plan.alone
    return [one for one in plan.actions if isinstance(one, WriteFile)]


def test_the_remedy_writes_what_the_check_then_finds() -> None:
    text, manifest = _remedied(_host())
    assert text.content == YAML.encode()
    kept = ConfigBackups((decode(manifest.content, BackupManifest),))
    assert [one.status for one in _judged(host=_host(), kept=kept, versions=("", NEW))] == [
        Status.WARN,
        Status.PASS,
    ]
    assert {one.mode for one in (text, manifest)} == {0o600}
    assert manifest.path.startswith("/var/lib/kedoctor/backups/20261123T031953Z-edgecore-edge1/")


def test_a_join_token_is_never_written() -> None:
    with_token = _host(YAML.replace("modules:\n", "modules:\n  edgeHub:\n    token: abc.def\n", 1))
    (manifest,) = _remedied(with_token)
    assert b"abc.def" not in manifest.content


@pytest.mark.parametrize(
    ("comment", "kept"),
    [
        ("# With --minconfig , you can easily used this configurations as reference.", True),
        ("# written by keadm (do not edit)", True),
        ("# broker: QzX9canary", False),
        ("# the broker password is correct horse", False),
        ("note: true # QzX9canary", False),
        ("# mqtt=canary", False),
    ],
)
def test_a_comment_that_may_hold_a_secret_is_never_written(comment: str, kept: bool) -> None:
    files = _remedied(_host(f"{YAML}{comment}\n"))
    assert len(files) == 1 + kept
    assert kept or not any(b"QzX9canary" in one.content for one in files)


def test_what_was_not_read_is_not_kept() -> None:
    verdict = verdict_of(config_backup, _judged(host=_host(), versions=("", NEW))[1])
    assert isinstance(remedy(verdict, _site(), EveryHost({}), HostTime(NOW)), NoPlan)


def test_the_files_of_the_plan_can_be_put_and_taken_away(tmp_path: Any) -> None:
    actor = FileActor(str(tmp_path))
    actions = _remedied(_host())
    states = []
    for action in actions:
        before = actor.look(action)
        states.append((action, before, actor.do(action, before)))
    assert len(list(tmp_path.rglob("manifest.json"))) == 1
    for action, before, after in reversed(states):
        actor.undo(action, before, after)
    assert not list(tmp_path.rglob("*.yaml"))
    assert merge([]).actions == ()


# ------------------------------------------------------------------------------------------ KE942


def _rolling(*nodes: Any, samples: Any = None, tag: str = "v1.22.0") -> list[Finding]:
    known = samples or NodeSamples({}, NOW, timedelta(minutes=4))
    found = list(rolling_upgrade(edges(*nodes), _workload(tag), known))
    assert all(both_languages(one) for one in found)
    return found


def _samples(**ages: float) -> NodeSamples:
    return NodeSamples(
        {name: NOW - timedelta(seconds=age) for name, age in ages.items()}, NOW, timedelta(minutes=4)
    )


def test_one_version_is_no_rolling_upgrade() -> None:
    assert [one.status for one in _rolling(edge("edge1"), edge("edge2"))] == [Status.SKIP]
    assert upgraded(edges(edge("edge1")), Unavailable(Reason.FORBIDDEN, "x")) is None


def test_an_upgraded_edge_is_back_when_figures_come_through_its_tunnel() -> None:
    found = _rolling(edge("edge1", version=NEW), edge("edge2"), samples=_samples(edge1=20, edge2=9999))
    assert [(one.node, one.status) for one in found] == [("edge1", Status.PASS)]


@pytest.mark.parametrize(("ready", "age"), [("False", 20), ("True", 900)])
def test_an_upgraded_edge_that_is_not_back_holds_up_the_next(ready: str, age: float) -> None:
    found = _rolling(edge("edge1", version=NEW, ready=ready), edge("edge2"), samples=_samples(edge1=age))
    assert [(one.node, one.status) for one in found] == [("edge1", Status.FAIL)]
    assert "--wait" in found[0].commands[0]


def test_without_the_metrics_api_it_is_not_known() -> None:
    nowhere = Unavailable(Reason.ABSENT, "list nodes.metrics.k8s.io")
    found = _rolling(edge("edge1", version=NEW), edge("edge2"), samples=nowhere)
    assert [one.status for one in found] == [Status.UNKNOWN]
    found = _rolling(edge("edge1", version=NEW, ready="False"), edge("edge2"), samples=nowhere)
    assert [one.status for one in found] == [Status.FAIL]


def test_a_new_cloud_with_old_edges_has_no_upgraded_edge_yet() -> None:
    assert _rolling(edge("edge1"), edge("edge2"), tag="v1.22.2") == []


# ------------------------------------------------------------------------------------------ settings


def test_what_secrets_hold_is_among_the_secrets_of_the_document() -> None:
    secret = made(
        Secret,
        metadata={"name": "cloudcore", "namespace": "kubeedge"},
        data={"stream.key": "c2VjcmV0", "odd": "%%%"},
    )
    token = made(
        Secret, metadata={"name": "tokensecret", "namespace": "kubeedge"}, data={"tokendata": "YQ=="}
    )
    hidden = made(Secret, metadata={"name": "x", "namespace": "kubeedge"}, data={"y": "W3JlZGFjdGVkIGtleV0="})
    found = secret_settings(cluster(secret, token, hidden))
    assert isinstance(found, SecretSettings)
    (document,) = found.documents
    assert document.secrets == {"cloudcore/stream.key": "c2VjcmV0", "cloudcore/odd": "%%%"}
    assert document.values == {"tokensecret/tokendata": "there", "x/y": "withheld"}
    assert document.text == "cloudcore/odd\ncloudcore/stream.key\ntokensecret/tokendata\nx/y\n"


def test_what_is_withheld_is_not_compared() -> None:
    assert differences("d", {"a": "withheld", "b": "1", "c": "2"}, {"a": "x", "b": "1", "d": "3"}) == [
        differences("d", {"c": "2"}, {})[0],
        differences("d", {}, {"d": "3"})[0],
    ]


def test_a_tree_is_flattened_to_its_leaves() -> None:
    tree = {"a": {"b": 1, "c": {}}, "d": [1, {"e": 2}], "f": None, "g": "x"}
    assert dict(flattened(tree)) == {"a.b": "1", "a.c": "{}", "d": '[1, {"e": 2}]', "f": "null", "g": '"x"'}
    assert dict(flattened({})) == {}


@pytest.mark.parametrize("reason", [Reason.ABSENT, Reason.NOT_RECORDED])
def test_a_host_that_is_no_edge_has_no_settings(reason: Reason) -> None:
    read = EdgecoreFile("/x", Unavailable(reason, "file /x"))
    assert host_settings(read, EdgeName("cloud")).documents == ()


def test_a_file_that_may_not_be_read_is_not_said_to_be_absent() -> None:
    with pytest.raises(FactUnavailableError):
        host_settings(EdgecoreFile("/x", Unavailable(Reason.PERMISSION, "file /x")), EdgeName("edge1"))
