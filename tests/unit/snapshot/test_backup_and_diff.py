"""Keeping settings, and saying what is different: two runs, two bundles, a backup and a bundle."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from commandline import kedoctor

from kedoctor.base.errors import ConfigurationError, OutputError, UsageError
from kedoctor.base.records import replace
from kedoctor.checks.evidence_rules import EVIDENCE
from kedoctor.model.findings import Certainty, Status
from kedoctor.model.report import Fix, Report, Translation, Verdict
from kedoctor.model.settings import KEYED, Difference, SettingsDocument, differences
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site
from kedoctor.snapshot.backup import read_backup, without_secrets, write_backup
from kedoctor.snapshot.compare import Comparison, compare, compare_settings, exit_code
from kedoctor.snapshot.protection import KEY_FILE, protected_values, settings_key

FIXTURES = Path(__file__).parents[2] / "fixtures"
VALUES = {"edgecore.yaml of edge1": {"modules.a": "1"}}
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HEALTHY, BROKEN = "healthy", "b-edgestream-disabled"


def _joined(site: str) -> str:
    return ",".join(str(path) for path in sorted((FIXTURES / site).glob("*.tgz")))


def _bundles(site: str) -> list[str]:
    return [word for path in _joined(site).split(",") for word in ("--evidence", path)]


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


@cache
def _report(site: str) -> Report:
    return diagnose_site(_plugins(), bundled_site(sorted((FIXTURES / site).glob("*.tgz"))), RunRequest())


# ------------------------------------------------------------------------------------------ verdicts


def _verdict(code: str, status: Status, subject: str = "edge1", **more: Any) -> Verdict:
    values: dict[str, Any] = {
        "code": code, "slug": code.lower(), "title": code, "status": status, "subject": subject, "node": subject,
        "host": "", "side": "site", "hop": "", "capabilities": (), "certainty": Certainty.PROVED,
        "summary": f"{code} {status.value}", "fix": Fix(available=False), "zh": Translation(),
    }  # fmt: skip
    return Verdict(**{**values, **more})


def _with(*verdicts: Verdict) -> Report:
    return replace(_report(HEALTHY), verdicts=verdicts)


def _told(before: Report, after: Report) -> dict[str, list[tuple[str, str, str, str]]]:
    found = compare(before, after)
    return {
        key: [(one.code, one.subject, one.before, one.after) for one in found[key]]
        for key in found
        if found[key]
    }


def test_a_report_is_not_different_from_itself() -> None:
    for site in (HEALTHY, BROKEN):
        assert _told(_report(site), _report(site)) == {}


def test_what_broke_got_worse_and_what_was_repaired_got_better() -> None:
    worse = _told(_report(HEALTHY), _report(BROKEN))["worse"]
    assert ("KE202", "edge1", "pass", "fail") in worse
    better = _told(_report(BROKEN), _report(HEALTHY))
    assert ("KE202", "edge1", "fail", "pass") in better["better"]
    assert "worse" not in better


@pytest.mark.parametrize(
    ("was", "now", "place"),
    [
        (Status.PASS, Status.WARN, "worse"),
        (Status.WARN, Status.FAIL, "worse"),
        (Status.UNKNOWN, Status.FAIL, "worse"),
        (Status.FAIL, Status.WARN, "better"),
        (Status.FAIL, Status.ACCEPTED, "better"),
        (Status.PASS, Status.UNKNOWN, "lost"),
        (Status.FAIL, Status.BLOCKED, "lost"),
        (Status.PASS, Status.CRASHED, "lost"),
        (Status.PASS, Status.SKIP, ""),
        (Status.UNKNOWN, Status.PASS, ""),
        (Status.UNKNOWN, Status.CRASHED, ""),
        (Status.PASS, Status.ACCEPTED, ""),
    ],
)
def test_each_pair_of_states_has_its_place(was: Status, now: Status, place: str) -> None:
    told = _told(_with(_verdict("KE1", was)), _with(_verdict("KE1", now)))
    assert told == ({place: [("KE1", "edge1", was.value, now.value)]} if place else {})


def test_a_fault_that_comes_or_goes_with_its_subject_counts_only_where_both_looked() -> None:
    looked = _verdict("KE1", Status.PASS, "edge1")
    extra = _verdict("KE1", Status.FAIL, "edge2")
    assert _told(_with(looked), _with(looked, extra)) == {"worse": [("KE1", "edge2", "", "fail")]}
    assert _told(_with(looked, extra), _with(looked)) == {"better": [("KE1", "edge2", "fail", "")]}
    assert _told(_with(), _with(extra)) == {}
    elsewhere = replace(extra, host="other")
    assert _told(_with(looked), _with(looked, elsewhere)) == {}


def test_folded_verdicts_are_compared_edge_by_edge() -> None:
    folded = _verdict("KE1", Status.FAIL, "a and 1 more", node="", nodes=("a", "b"))
    told = _told(_with(folded), _with(_verdict("KE1", Status.PASS, "a"), _verdict("KE1", Status.FAIL, "b")))
    assert told == {"better": [("KE1", "a", "fail", "pass")]}


def test_settings_are_compared_where_both_sides_hold_them() -> None:
    before = {"x": {"a": "1", "b": "2"}, "only": {"k": "v"}}
    found, one_sided = compare_settings(before, {"x": {"a": "1", "b": "3", "c": "4"}})
    assert found == (Difference("x", "b", "2", "3"), Difference("x", "c", None, "4"))
    assert one_sided == ("only",)


def test_the_exit_code_says_what_is_worst() -> None:
    change = compare(_with(_verdict("K", Status.PASS)), _with(_verdict("K", Status.FAIL)))["worse"]
    lost = compare(_with(_verdict("K", Status.PASS)), _with(_verdict("K", Status.UNKNOWN)))["lost"]
    differs = (Difference("x", "a", "1", "2"),)
    nothing = Comparison(before="a", after="b", compared=("verdicts",))
    assert exit_code(nothing) == 0
    assert exit_code(replace(nothing, settings=differs)) == 2
    assert exit_code(replace(nothing, settings=differs, lost=lost)) == 3
    assert exit_code(replace(nothing, lost=lost, worse=change)) == 1
    assert exit_code(replace(nothing, compared=())) == 3


# ------------------------------------------------------------------------------------------ backups


def _document(text: str = "modules:\n  a: 1\n", **more: Any) -> SettingsDocument:
    values = {
        "name": "edgecore.yaml of edge1",
        "title": "edgecore.yaml",
        "evidence": "host:/etc/kubeedge/config/edgecore.yaml",
    }
    return SettingsDocument(**{**values, **more}, text=text, values={"modules.a": "1"})


def test_a_backup_comes_back_and_is_its_owners_alone(tmp_path: Path) -> None:
    target = tmp_path / "one"
    made = write_backup(target, [(_document(), "text")], VALUES, now=NOW, host="h")
    assert read_backup(target) == made
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()} == {0o600}
    assert (target / "01-edgecore.yaml").read_text() == "text"
    with pytest.raises(UsageError, match="exists already"):
        write_backup(target, [], {}, now=NOW, host="h")


def test_a_backup_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_backup(tmp_path / "file" / "x", [(_document(), "t")], VALUES, now=NOW, host="h")
    with pytest.raises(OutputError):
        write_backup(tmp_path / "y", [(_document(title="no/such/dir"), "t")], VALUES, now=NOW, host="h")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_token_is_taken_out_before_it_is_written() -> None:
    text = "modules:\n  edgeHub:\n    token: 0a1b2c3d4e5f60718293a4b5c6d7e8f9.eyJhbGciOiJIUzI1NiJ9.e30.AAAA\n"
    ((_, safe),), withheld = without_secrets({"x": _document(text)}, EVIDENCE.redactions)
    assert "eyJhbGci" not in safe
    assert withheld == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"{", "not a backup that this kedoctor can read"),
        (b'{"id": 1}', "not a backup that"),
    ],
)
def test_what_is_no_backup_is_told(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        read_backup(tmp_path)


# ------------------------------------------------------------------------------------------ secrets

PASSWORD = "hunter2-Canary"
SECRETS = SettingsDocument(
    "edgecore.yaml of edge1",
    "edgecore.yaml",
    "host:/etc/kubeedge/config/edgecore.yaml",
    "",
    values={
        "modules.eventBus.mqttServerExternal": f'"tcp://edge:{PASSWORD}@127.0.0.1:1883"',
        "modules.edgeHub.token": f'"{PASSWORD}"',
        "modules.edgeHub.heartbeat": "15",
        "modules.edged.hostnameOverride": '"edge-7.example"',
    },
    secrets={"modules.edgeHub.tokn": f'"{PASSWORD}"', "modules.edgeHub.short": '"a"'},
)


def _protected(document: SettingsDocument, state: Path) -> dict[str, str]:
    return protected_values(document, EVIDENCE.redactions, settings_key(state))


def test_no_secret_and_no_length_of_one_is_kept(tmp_path: Path) -> None:
    kept = _protected(SECRETS, tmp_path)
    assert kept["modules.edgeHub.heartbeat"] == "15"
    assert kept["modules.edged.hostnameOverride"] == '"edge-7.example"'
    hidden = [key for key, value in kept.items() if value.startswith(KEYED)]
    assert sorted(hidden) == sorted({*SECRETS.values, *SECRETS.secrets} - {
        "modules.edgeHub.heartbeat", "modules.edged.hostnameOverride",
    })  # fmt: skip
    assert len({len(kept[key]) for key in hidden}) == 1
    # An unsalted digest could be guessed.
    for value in [*SECRETS.values.values(), *SECRETS.secrets.values()]:
        for text in (value, value.strip('"')):
            assert hashlib.sha256(text.encode()).hexdigest()[:12] not in str(kept)
    assert PASSWORD not in str(kept)


def test_the_key_is_made_once_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert settings_key(state) == settings_key(state)
    assert stat.S_IMODE((state / KEY_FILE).stat().st_mode) == 0o600
    assert settings_key(tmp_path / "other") != settings_key(state)
    # No place to keep it: one for this process, so that two sides can still be compared.
    (tmp_path / "file").write_text("")
    assert settings_key(tmp_path / "file" / "x") == settings_key(tmp_path / "file" / "x")


def test_a_planted_key_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "known").write_bytes(bytes(32))
    (tmp_path / KEY_FILE).symlink_to(tmp_path / "known")
    assert settings_key(tmp_path) != bytes(32)


def test_of_a_secret_only_that_it_is_another_one_is_told(tmp_path: Path) -> None:
    before = _protected(SECRETS, tmp_path)
    other = replace(SECRETS, secrets={"modules.edgeHub.tokn": '"b"'})
    found = differences("d", before, _protected(other, tmp_path))
    assert found == [
        Difference("d", "modules.edgeHub.short", "a secret", None),
        Difference("d", "modules.edgeHub.tokn", "a secret", "changed"),
    ]
    assert differences("d", before, _protected(SECRETS, tmp_path)) == []


def test_what_was_kept_with_another_key_is_not_compared(tmp_path: Path) -> None:
    here, there = (_protected(SECRETS, tmp_path / name) for name in ("a", "b"))
    assert differences("d", here, there) == []
    placeholder = replace(SECRETS, secrets={"x": '"[redacted token token=0f3a6c1d9e42]"'})
    assert _protected(placeholder, tmp_path)["x"] == "withheld"


# ------------------------------------------------------------------------------------------ from outside


def test_a_backup_and_a_later_bundle(tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    done = kedoctor("backup", *_bundles(HEALTHY), "-o", kept)
    assert done.returncode == 0, done.stderr
    assert "edgecore.yaml of edge1" in done.stdout
    same = kedoctor("diff", kept, _joined(HEALTHY))
    assert (same.returncode, "Nothing that was compared is different" in same.stdout) == (0, True)
    # The recording was made after cloudcore restarted: what it wrote by itself is not a difference.
    other = kedoctor("diff", kept, _joined(BROKEN), "--format", "json")
    assert other.returncode == 2
    assert [one["key"] for one in json.loads(other.stdout)["settings"]] == ["modules.edgeStream.enable"]
    everything = "".join(path.read_text() for path in Path(kept).iterdir())
    for word in ("BEGIN", "PRIVATE KEY", "eyJ"):
        assert word not in everything


def test_two_runs_by_id_and_by_file(tmp_path: Path) -> None:
    first = tmp_path / "first.json"
    kedoctor("run", *_bundles(HEALTHY), "--format", "json", "-o", str(first))
    kedoctor("run", *_bundles(BROKEN))
    told = kedoctor("diff", str(first), "latest")
    assert told.returncode == 1
    assert "KE202 edge1: pass -> fail" in told.stdout
    run_id = json.loads(first.read_text())["run"]["id"]
    back = kedoctor("diff", "latest", run_id, "--lang", "zh")
    assert back.returncode == 0
    assert "改善的项目" in back.stdout
    assert kedoctor("diff", run_id, str(first)).returncode == 0


def test_two_bundles_show_verdicts_and_settings() -> None:
    told = kedoctor("diff", _joined(HEALTHY), _joined(BROKEN), "--format", "json")
    assert told.returncode == 1
    document = json.loads(told.stdout)
    assert {"verdicts", "edgecore.yaml of edge1"} <= set(document["compared"])
    assert "KE503" in {one["code"] for one in document["worse"]}
    assert [one["key"] for one in document["settings"]] == ["modules.edgeStream.enable"]


def test_a_backup_and_a_run_have_nothing_in_common(tmp_path: Path) -> None:
    kept, run = str(tmp_path / "kept"), str(tmp_path / "run.json")
    kedoctor("backup", *_bundles(HEALTHY), "-o", kept)
    kedoctor("run", *_bundles(HEALTHY), "--format", "json", "-o", run)
    told = kedoctor("diff", kept, run)
    assert told.returncode == 3
    assert "nothing in common" in told.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["diff", "latest"], 64, "no run is kept yet"),
        (["diff", "20200101T000000Z-0000", "now"], 64, "no run with ID '20200101T000000Z-0000'"),
        (["diff", "/no/such.json"], 78, "/no/such.json does not exist"),
        (["diff", "GARBAGE"], 78, "is neither evidence nor a report"),
        (["diff", "CUT"], 78, "is truncated"),
        (["diff", "DIR"], 78, "is not a backup"),
        (["diff"], 64, "Missing argument"),
        (["backup", "-o", "/dev/null/x"], 3, "nothing to save"),
    ],
)
def test_bad_input_is_one_clear_sentence(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    garbage, cut = tmp_path / "garbage", tmp_path / "cut.tgz"
    garbage.write_bytes(os.urandom(3000).lstrip(b"\x1f"))
    cut.write_bytes(Path(_joined(HEALTHY).split(",")[0]).read_bytes()[:5000])
    replaced = {"GARBAGE": str(garbage), "CUT": str(cut), "DIR": str(tmp_path)}
    done = kedoctor(*[replaced.get(word, word) for word in words])
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
