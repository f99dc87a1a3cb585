"""The demo: a broken site that needs no cluster, in both languages and as a document."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
from commandline import kedoctor


def test_the_demo_names_the_switched_off_edgestream_first() -> None:
    done = kedoctor("demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    codes = re.findall(r"\bKE\d{3}\b", done.stdout)
    assert codes[0] == "KE202"
    assert "1 root cause; it explains all other failures." in done.stdout
    assert "$ sudo systemctl restart edgecore" in done.stdout
    assert re.search(r"(?s)also explains  .*\bKE503\b.*\bKE508\b", done.stdout)


def test_the_demo_is_both_hosts_joined() -> None:
    document = json.loads(kedoctor("demo", "--format", "json").stdout)
    assert {host["name"]: host["sides"] for host in document["site"]["hosts"]} == {
        "cloud": ["cloud"],
        "edge1": ["edge"],
    }
    assert [row["edge"] for row in document["matrix"]] == ["edge1"]
    states = {cell["name"]: cell["state"] for cell in document["matrix"][0]["capabilities"]}
    assert {states[name] for name in ("logs", "exec", "attach", "top")} == {"broken"}
    assert states["ready"] == "works"


def test_the_demo_as_a_document_fits_the_published_schema() -> None:
    schema = json.loads(kedoctor("schema").stdout)
    document = json.loads(kedoctor("demo", "--format", "json").stdout)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["run"]["demo"] is True
    assert [cause["code"] for cause in document["causes"]] == ["KE202"]
    assert not [one["code"] for one in document["verdicts"] if one["status"] == "crashed"]


def test_the_demo_reads_in_chinese() -> None:
    by_option, by_locale = kedoctor("demo", "--lang", "zh"), kedoctor("demo", LANG="zh_CN.UTF-8")
    for done in (by_option, by_locale):
        assert done.returncode == 0
        assert "这是录制的演示站点，不是您的集群。" in done.stdout
        assert "edge1 的 edgeStream 未启用" in done.stdout
        assert "edgeStream of edge1" not in done.stdout


def test_an_unknown_site_is_refused_with_the_names_there_are() -> None:
    done = kedoctor("demo", "nowhere")
    assert done.returncode == 64
    assert "there are: edgestream-off" in done.stderr
    assert kedoctor("demo", "--list").stdout.split() == ["edgestream-off"]


def test_the_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    before = {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts}
    assert kedoctor("demo", TMPDIR=str(tmp_path / "scratch")).returncode == 0
    assert {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts} == before
