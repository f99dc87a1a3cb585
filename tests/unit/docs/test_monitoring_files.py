"""Alert rules, dashboard and jobs under docs/monitoring: read by parsers that are not ours, and naming what exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from report_samples import ENGLISH, recorded

from kedoctor.cli import command as group
from kedoctor.reports import prometheus
from kedoctor.watch.board import Board, Ending
from kedoctor.yaml.document import load

ROOT = Path(__file__).parents[3]
FILES = ROOT / "docs" / "monitoring"
_SELECTED = re.compile(r"\b(kedoctor_\w+)(?:\{([^}]*)\})?")
_GRAFANA = {"$__rate_interval": "5m"}
_SCRAPED = {"instance", "job"}


@cache
def _written() -> dict[str, set[str]]:
    """Each metric with its labels, of recorded sites and of the watching itself."""
    board = Board(60, 600)
    board.begins()
    board.ends(Ending.DONE, {})
    pages = [prometheus.render(recorded(case), ENGLISH) for case in ("healthy", "b-edgestream-disabled")]
    found: dict[str, set[str]] = {}
    for page in [*pages, board.metrics()]:
        for family in text_string_to_metric_families(page.decode()):
            for one in family.samples:
                found.setdefault(one.name, set()).update(one.labels)
    return found


def _rules() -> list[dict[str, Any]]:
    groups = load((FILES / "alerts.yaml").read_text(encoding="utf-8")).data["groups"]
    return [dict(rule) for group in groups for rule in group["rules"]]


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FILES / "grafana.json").read_text(encoding="utf-8"))
    return found


def _queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in _rules())
    for panel in _dashboard()["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in _GRAFANA.items():
                query = query.replace(name, value)
            yield query


@pytest.mark.parametrize("query", [*_queries()])
def test_every_query_is_promql_about_metrics_that_exist(query: str) -> None:
    promql_parser.parse(query)
    selected = _SELECTED.findall(query)
    assert selected
    for name, inside in selected:
        assert name in _written(), name
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
        assert labels <= _written()[name] | _SCRAPED, (name, labels)


def test_the_alerts_have_what_prometheus_asks_for() -> None:
    for rule in _rules():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert re.search("[\u4e00-\u9fff]", rule["annotations"]["summary_zh"])
        grouped = set(re.findall(r"by \(([^)]*)\)", rule["expr"]))
        for name in re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])):
            assert any(name in re.split(", ?", one) for one in grouped), (rule["alert"], name)
    assert len({rule["alert"] for rule in _rules()}) == len(_rules())


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = _dashboard()
    assert board["schemaVersion"] >= 36
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    variables = {one["name"] for one in board["templating"]["list"]}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables | {"__rate_interval"}
    spans = [
        (one["gridPos"]["x"] + dx, one["gridPos"]["y"] + dy)
        for one in board["panels"]
        for dx in range(one["gridPos"]["w"])
        for dy in range(one["gridPos"]["h"])
    ]
    assert len(spans) == len(set(spans)), "panels overlap"


def _kedoctor_lines(text: str) -> list[list[str]]:
    found = re.findall(r"^(?:#?ExecStart=/usr/bin/)kedoctor (.+)$", text, re.MULTILINE)
    return [line.split() for line in found]


@pytest.mark.parametrize("name", ["kedoctor-watch.service", "kedoctor-textfile.service", "cronjob.yaml"])
def test_the_commands_of_units_and_jobs_exist(name: str) -> None:
    text = (FILES / name).read_text(encoding="utf-8")
    if name.endswith(".yaml"):
        job = load(text).data
        commands = [list(job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"])]
    else:
        commands = _kedoctor_lines(text)
    assert commands
    for words in commands:
        told = CliRunner().invoke(group, [words[0], "--help"]).output
        for option in [word for word in words if word.startswith("--")]:
            assert option in told, (words[0], option)


def test_the_account_of_the_cron_job_is_the_one_whose_roles_are_printed() -> None:
    text = (FILES / "cronjob.yaml").read_text(encoding="utf-8")
    job = load(text).data
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    named = f"{job['metadata']['namespace']}/{pod['serviceAccountName']}"
    assert f"kedoctor rbac --service-account {named} | kubectl apply -f -" in text
    for path in (ROOT / "docs").glob("monitoring*.md"):
        assert f"--service-account {named}" in path.read_text(encoding="utf-8")


def test_the_pages_name_each_file_and_metrics_that_exist() -> None:
    for path in (ROOT / "docs").glob("monitoring*.md"):
        text = path.read_text(encoding="utf-8")
        for file in FILES.iterdir():
            assert f"monitoring/{file.name}" in text, (path.name, file.name)
        assert set(re.findall(r"`(kedoctor_\w+)`", text)) <= set(_written())
