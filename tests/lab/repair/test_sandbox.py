"""A recorded site in a sandbox: judged as its bundles are, changed by the real hands, gone when it is closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kedoctor.base.errors import UsageError
from kedoctor.base.text import Text
from kedoctor.cli.prompts import TerminalPrompter
from kedoctor.model.actions.files import EditYaml, WriteFile
from kedoctor.model.actions.nat import EnsureChain
from kedoctor.model.actions.objects import PatchObject
from kedoctor.model.actions.units import RestartUnit
from kedoctor.model.actions.yaml_changes import YamlChange
from kedoctor.model.actors import RefusedError
from kedoctor.model.declarations import Risk
from kedoctor.model.fake_services import FakeService, StateChange
from kedoctor.model.findings import Status
from kedoctor.model.observations.apiserver import ApiAnswer, GetPath
from kedoctor.model.observations.files import File, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.machine import Now, ReadClock
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.observations.units import ReadUnit, Unit
from kedoctor.model.plans import Plan
from kedoctor.model.report import Report
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.repair.repair import Repair
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site
from kedoctor.sandbox.site import Sandbox
from kedoctor.sandbox.units import UnitRunner

pytestmark = pytest.mark.lab

CONFIG = "/etc/kubeedge/config/edgecore.yaml"
UNIT = "edgecore.service"


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


@pytest.fixture
def sandbox(plugins: Plugins) -> Iterator[Sandbox]:
    with Sandbox(plugins.demos()["edgestream-off"], plugins.standins()) as opened:
        yield opened
    assert not opened.directory.exists()


def look(plugins: Plugins, sandbox: Sandbox) -> Report:
    return diagnose_site(plugins, sandbox.site(), RunRequest())


def states(report: Report) -> dict[tuple[str, str], Status]:
    return {(one.code, one.host): one.status for one in report.verdicts}


def test_it_is_judged_as_its_bundles_are(plugins: Plugins, sandbox: Sandbox) -> None:
    bundled = diagnose_site(plugins, bundled_site(plugins.demos()["edgestream-off"]), RunRequest())
    here = look(plugins, sandbox)
    assert [cause.code for cause in here.causes] == [cause.code for cause in bundled.causes] == ["KE202"]
    was, now = states(bundled), states(here)
    # Nothing answers for an edge through the sandbox's API server, so KE513 has nothing to judge there.
    differing = {key for key in was.keys() & now.keys() if was[key] is not now[key] and key[0] != "KE513"}
    assert {was[key] for key in differing} <= {Status.UNKNOWN}, differing


def test_it_lacks_nothing_that_a_capability_depends_on(plugins: Plugins, sandbox: Sandbox) -> None:
    edit = EditYaml(CONFIG, (YamlChange("set", "modules.edgeStream.enable", value=True),))
    for action in (edit, RestartUnit(UNIT)):
        actor = sandbox.actors().of(action)
        actor.do(action, actor.look(action))
    report = look(plugins, sandbox)
    assert report.causes == ()
    unknown = [one.summary for one in report.verdicts if one.status is Status.UNKNOWN and one.capabilities]
    assert unknown == [], "add what is read there to checks/sandbox/fixtures.py, or record it"


def test_a_file_that_was_changed_carries_the_time_of_the_sandbox(sandbox: Sandbox) -> None:
    host = sandbox.site().view.hosts[1].source
    before = host.observe(ReadFile(CONFIG))
    assert isinstance(before, File)
    action = EditYaml(CONFIG, (YamlChange("set", "modules.edgeStream.enable", value=True),))
    actor = sandbox.actors().of(action)
    seen = actor.look(action)
    after = actor.do(action, seen)
    host = sandbox.site().view.hosts[1].source
    changed, clock = host.observe(ReadFile(CONFIG)), host.observe(ReadClock())
    assert isinstance(changed, File)
    assert isinstance(clock, Now)
    assert b"enable: true" in changed.data
    assert timedelta(0) <= clock.time - changed.metadata.modified < timedelta(minutes=1)
    actor.undo(action, seen, after)
    again = sandbox.site().view.hosts[1].source.observe(ReadFile(CONFIG))
    assert isinstance(again, File)
    assert again.data == before.data


def test_what_was_not_recorded_is_not_said_to_be_absent(sandbox: Sandbox) -> None:
    host = sandbox.site().view.hosts[1].source
    missing = host.observe(StatFile("/etc/kubernetes/manifests/kube-apiserver.yaml"))
    assert isinstance(missing, Unavailable)
    assert missing.reason.value == "not-recorded"
    action = WriteFile("/etc/kubeedge/new.conf", b"x", 0o600)
    actor = sandbox.actors().of(action)
    actor.do(action, actor.look(action))
    assert isinstance(sandbox.site().view.hosts[1].source.observe(ReadFile("/etc/kubeedge/new.conf")), File)


def test_what_lies_there_is_found(sandbox: Sandbox) -> None:
    host = sandbox.site().view.hosts[1].source
    found = host.observe(FindFiles("/etc/kubeedge/certs/*.key"))
    assert isinstance(found, Files)
    assert [(one.path, one.mode) for one in found.entries] == [("/etc/kubeedge/certs/server.key", 0o600)]
    assert isinstance(host.observe(FindFiles("/var/nobody/looked/*")), Unavailable)


def test_objects_are_changed_over_https_and_put_back(sandbox: Sandbox) -> None:
    path = "/api/v1/namespaces/kubeedge/configmaps/tunnelport"
    action = PatchObject(path, "merge", {"metadata": {"annotations": {"tunnelportrecord.kubeedge.io": "{}"}}})
    actor = sandbox.actors().of(action)
    before = actor.look(action)
    assert actor.preview(action, before).changes
    after = actor.do(action, before)
    cluster = LiveCluster(str(sandbox.kubeconfig))
    answer = cluster.observe(GetPath(path))
    assert isinstance(answer, ApiAnswer)
    assert json.loads(answer.body)["metadata"]["annotations"] == {"tunnelportrecord.kubeedge.io": "{}"}
    actor.undo(action, before, after)
    assert actor.look(action).fingerprint == before.fingerprint


def test_the_api_server_keeps_the_time_of_the_sandbox(sandbox: Sandbox) -> None:
    answer = LiveCluster(str(sandbox.kubeconfig)).observe(GetPath("/version"))
    clock = sandbox.site().view.hosts[0].source.observe(ReadClock())
    assert isinstance(answer, ApiAnswer)
    assert isinstance(clock, Now)
    assert answer.date is not None
    assert abs(answer.date - clock.time) < timedelta(seconds=3)


def test_a_repair_that_does_not_help_is_taken_back(plugins: Plugins, sandbox: Sandbox) -> None:
    before = sandbox.files()
    report = look(plugins, sandbox)
    keys = {"modules.edgeStream.enable": True, "modules.edgeStream.server": "127.0.0.1:10004"}
    changes = tuple(YamlChange("set", path, value) for path, value in keys.items())
    plan = Plan(
        code="KE503",
        subject="edge1",
        title=Text("a wrong repair", zh="错误的修复"),
        prediction=Text("nothing good", zh="无益"),
        risk=Risk.RESTARTS_EDGECORE,
        actions=(EditYaml(CONFIG, changes),),
        restarts=(RestartUnit(UNIT),),
        settle=0.5,
    )
    repair = Repair(
        journal=sandbox.journal,
        actors=sandbox.actors(),
        desk=TerminalPrompter("en", yes=True),
        look=lambda: look(plugins, sandbox),
        command="test",
        poll=0.1,
    )
    attempt = repair.go([plan], report)
    assert attempt.failed
    assert [change.result for change in attempt.changes] == ["taken back"]
    assert sandbox.files() == before


def test_it_has_no_hands_for_rules_and_no_units_without_a_stand_in(sandbox: Sandbox) -> None:
    with pytest.raises(RefusedError, match="nothing here can change"):
        sandbox.actors().of(EnsureChain("nft", "KEDOCTOR", ("OUTPUT",), (), "x"))
    restart = RestartUnit("k3s.service")
    with pytest.raises(RefusedError, match="not-found"):
        sandbox.actors().of(restart).look(restart)


def test_only_a_few_words_are_said_to_systemd(sandbox: Sandbox) -> None:
    host = sandbox.site().view.hosts[1].source
    runner = UnitRunner(host, {})
    refused = runner(["systemctl", "restart", UNIT], 1.0)
    assert not isinstance(refused, Unavailable)
    assert refused.exit_code == 5
    assert isinstance(runner(["systemctl", "enable", UNIT], 1.0), Unavailable)
    assert isinstance(runner(["rm", "-rf", "/"], 1.0), Unavailable)
    shown = runner(["systemctl", "show", UNIT, "--property=ActiveState"], 1.0)
    assert not isinstance(shown, Unavailable)
    assert "ActiveState=active\n" in shown.stdout


def test_a_restart_gives_another_process(sandbox: Sandbox) -> None:
    restart = RestartUnit(UNIT)
    actor = sandbox.actors().of(restart)
    before = sandbox.site().view.hosts[1].source.observe(ReadUnit(UNIT))
    actor.do(restart, actor.look(restart))
    after = sandbox.site().view.hosts[1].source.observe(ReadUnit(UNIT))
    assert isinstance(before, Unit)
    assert isinstance(after, Unit)
    assert after.main_pid not in (0, before.main_pid)
    assert after.active_state == "active"


def test_a_site_that_nothing_can_stand_in_for_is_refused(plugins: Plugins) -> None:
    with pytest.raises(UsageError, match="nothing can stand in"):
        Sandbox(plugins.demos()["edgestream-off"], [])


def test_failing_to_open_leaves_nothing(plugins: Plugins) -> None:
    def broken(stage: object) -> StateChange:
        raise RuntimeError(str(stage))

    edgecore = plugins.standins()[0]
    failing = FakeService(edgecore.unit, edgecore.told, edgecore.play, broken)
    box = Sandbox(plugins.demos()["edgestream-off"], [failing])
    with pytest.raises(RuntimeError), box:
        pass
    assert not box.directory.exists()
