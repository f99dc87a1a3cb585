"""Hands on Kubernetes objects over real HTTPS: conflicts, refusals, time-outs, other writers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiserver import Object
from apiserver.fixtures import TOKEN
from object_hands import (
    ACCOUNT,
    CM,
    DS,
    NS,
    REWRITTEN,
    SECRET,
    SWITCH_ON,
    TEXT,
    TOLERATE,
    TOLERATION,
    WEAK,
    Site,
    b64,
    named,
    real_patch,
    silent,
    site_at,
)

from kedoctor.base import failpoints
from kedoctor.base.errors import ChangeError
from kedoctor.changes.executor import execute, prepare, recover
from kedoctor.changes.journal import Phase
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.objects import ApplyObject, DeleteObject, EditObjectYaml, PatchObject
from kedoctor.model.actions.yaml_changes import YamlChange
from kedoctor.model.actors import ConflictError, RefusedError

pytestmark = pytest.mark.lab


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path) as made:
        yield made


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
        with pytest.raises(RefusedError, match="not YAML"):
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
        site.server.faults.add(real_patch, before=theirs, times=1)
        entry = site.fix(PatchObject(CM, kind, patch))
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "ours", "theirs": "1"}
        site.back(entry)
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "x", "theirs": "1"}
        assert site.content(CM)["metadata"]["labels"]["by"] == "somebody"

    def test_in_our_part_it_is_a_conflict_and_theirs_stays(self, site: Site) -> None:
        theirs = site.somebody(CM, {"data": {"other": "theirs"}})
        site.server.faults.add(
            lambda request: real_patch(request) and b"ours" in request.body, before=theirs, times=1
        )
        with pytest.raises(ConflictError):
            site.fix(SWITCH_ON, PatchObject(CM, "merge", {"data": {"other": "ours"}}))
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "theirs"}
        assert site.journal.entries()[0].phase is Phase.UNDONE

    def test_who_never_lets_go_ends_it(self, site: Site) -> None:
        site.server.faults.add(real_patch, status=409)
        with pytest.raises(ConflictError, match="changed by somebody else"):
            site.fix(SWITCH_ON)
        assert len(site.sent("PATCH")) == 4

    def test_while_it_goes_back(self, site: Site) -> None:
        entry = site.fix(TOLERATE)
        theirs = site.somebody(DS, {"metadata": {"annotations": {"note": "theirs"}}})
        site.server.faults.add(real_patch, before=theirs, times=1)
        site.back(entry)
        assert site.content(DS)["metadata"]["annotations"]["note"] == "theirs"
        assert "tolerations" not in site.content(DS)["spec"]["template"]["spec"]


class TestRefusals:
    """Before anything is touched where it can be known, else everything is rolled back."""

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
            lambda request: real_patch(request) and request.path == DS,
            status=400,
            message="admission webhook denied",
        )
        with pytest.raises(RefusedError, match="admission webhook denied"):
            site.fix(SWITCH_ON, TOLERATE)
        assert site.document() == TEXT
        assert site.journal.entries()[0].phase is Phase.UNDONE

    def test_a_time_out_in_the_middle(self, site: Site) -> None:
        site.server.faults.add(
            lambda request: real_patch(request) and request.path == DS, hang_after_accept=True, times=1
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
            lambda request: real_patch(request) and request.path == DS, truncate=50, times=1
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
            execute(site.journal, quick, prepared, codes=[], command="", stop=stop, tell=silent)
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

    def test_applying_where_somebody_writes_in_the_last_moment(self, site: Site) -> None:
        body = named("ConfigMap", "cloudcore", data={"other": "ours"})
        write = rf"PATCH {CM}\?fieldManager=kedoctor&force=true&timeout"
        site.server.faults.add(write, before=site.somebody(CM, {"data": {"theirs": "1"}}), times=1)
        entry = site.fix(ApplyObject(CM, body))
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "ours", "theirs": "1"}
        site.back(entry)
        site.server.faults.add(write, before=site.somebody(CM, {"data": {"other": "theirs"}}), times=1)
        with pytest.raises(ConflictError):
            site.fix(ApplyObject(CM, body))
        assert site.content(CM)["data"] == {"cloudcore.yaml": TEXT, "other": "theirs", "theirs": "1"}

    def test_applying_where_somebody_makes_it_in_the_last_moment(self, site: Site) -> None:
        theirs = named("ServiceAccount", "kedoctor-made", automountServiceAccountToken=True)

        def make() -> None:
            site.server.store.load([theirs])

        site.server.faults.add(rf"POST {NS}/serviceaccounts\?fieldManager=kedoctor", before=make, times=1)
        with pytest.raises(ConflictError):
            site.fix(ApplyObject(ACCOUNT, self.BODY))
        assert site.content(ACCOUNT)["automountServiceAccountToken"] is True

    def test_what_somebody_wrote_is_not_deleted_also_where_it_is_made_anew(self, site: Site) -> None:
        theirs = site.somebody(SECRET, {"data": {"other": b64("theirs")}})
        site.server.faults.add("DELETE ", before=theirs, times=1)
        with pytest.raises(ConflictError):
            site.fix(DeleteObject(SECRET, remade=True))
        assert site.content(SECRET)["data"]["other"] == b64("theirs")

    def test_deleting_and_making_anew(self, site: Site) -> None:
        before, uid = site.content(SECRET), (site.get(SECRET) or {})["metadata"]["uid"]
        (previewed,) = prepare(site.hands, [DeleteObject(SECRET)]).foresight
        assert previewed.diff == f"- {SECRET}"
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
        (previewed,) = prepare(site.hands, [patch]).foresight
        assert "stream.key" in previewed.diff
        assert b64("very private") not in previewed.diff
        assert b64("old stream.key") not in previewed.diff


@pytest.mark.timeout(300)
class TestKillsAndFullDisks:
    """A kill or a refused write at every step leaves the objects as they were, at the latest after a recovery."""

    def test_a_kill_at_every_step(self, site: Site) -> None:
        before = site.content(CM), site.content(DS)
        for number in range(1, 99):
            pid = os.fork()
            if pid == 0:
                os.environ["KEDOCTOR_FAILPOINT"] = str(number)
                failpoints._reached = 0
                site.fix(SWITCH_ON, TOLERATE, hands=site.actors(TOKEN))
                os._exit(0)
            ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert ended in (0, -9)
            recover(site.journal, site.hands, tell=silent)
            assert (site.content(CM), site.content(DS)) == before, f"half done after a kill at step {number}"
            if ended == 0:
                assert number > 10
                return
        pytest.fail("the repair never came to its end")

    def test_a_full_disk_at_every_step(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        before = site.content(CM), site.content(DS)
        for number in range(1, 99):
            monkeypatch.setenv("KEDOCTOR_FAILPOINT", f"{number}:ENOSPC")
            monkeypatch.setattr(failpoints, "_reached", 0)
            try:
                site.fix(SWITCH_ON, TOLERATE)
            except ChangeError:
                monkeypatch.delenv("KEDOCTOR_FAILPOINT")
                recover(site.journal, site.hands, tell=silent)
                assert (site.content(CM), site.content(DS)) == before, f"not taken back at step {number}"
            else:
                assert number > 10
                return
        pytest.fail("the repair never came to its end")
