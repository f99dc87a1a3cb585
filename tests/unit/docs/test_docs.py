"""The documents say what is so: the manual page, the README's commands and options, a page for every check."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from report_samples import ENGLISH, every_status

from kedoctor.plugins import Plugins, load_plugins
from kedoctor.reports import prometheus
from kedoctor.yaml.document import load

ROOT = Path(__file__).parents[3]


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


def test_the_manual_page_is_up_to_date() -> None:
    # In a process of its own: click keeps the --help of a command as it was first asked for.
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / "man" / "make.py", "--print"],
        capture_output=True,
        text=True,
        check=True,
    )
    written = (ROOT / "docs" / "man" / "kedoctor.1").read_text(encoding="utf-8")
    assert written == made.stdout, "run: python docs/man/make.py"


def test_the_readme_names_commands_and_options_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    manual = (ROOT / "docs" / "man" / "kedoctor.1").read_text(encoding="utf-8").replace(r"\-", "-")
    for name in re.findall(r"`(?:sudo )?kedoctor ([a-z]+)", readme):
        assert f".SS kedoctor {name} " in manual, name
    for flag in set(re.findall(r"`[^`]*?(--[a-z][a-z-]+)", readme)) - {
        "--no-index",
        "--find-links",
        "--kedoctor",
    }:
        assert flag in manual, flag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_check_has_a_page(language: str) -> None:
    for code, node in _plugins().registry.checks.items():
        if node.plugin == "checks":
            page = _plugins().page(code, language)
            assert page, f"{code} has no page in {language}"
            assert page.startswith(f"# {code} "), code
            assert len(page.splitlines()) >= 15, code


def test_no_page_is_about_a_check_that_does_not_exist() -> None:
    for language in ("en", "zh"):
        for page in (ROOT / "checks").glob(f"**/pages/{language}/*.md"):
            assert page.stem in _plugins().registry.checks, page


def test_every_text_is_in_both_languages() -> None:
    for code, node in _plugins().registry.checks.items():
        for text in (node.check.title, node.check.remedy):
            if text is not None:
                assert text.en.strip(), code
                assert re.search("[\u4e00-\u9fff]", text.zh) or text.zh == text.en, code


def test_explanations_draw_no_circle_and_name_codes() -> None:
    checks = {code: node.check for code, node in _plugins().registry.checks.items()}
    for code, check in checks.items():
        assert code not in check.explained_by
        for other in check.explained_by:
            assert re.fullmatch(r"KE\d{3}", other), (code, other)


def test_nothing_in_the_project_names_the_machine_it_was_made_on() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if not name or path.suffix in {".tgz", ".png"} or not path.is_file() or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for word in ("/work/", "/opt/pypi", ".pyenv"):
            assert word not in text, f"{name} names {word}"


@pytest.mark.parametrize("name", ["gate-github.yml", "gate-gitlab.yml"])
def test_the_jobs_of_a_gate_keep_both_reports(name: str) -> None:
    text = (ROOT / "docs" / "ci" / name).read_text(encoding="utf-8")
    assert load(text).data
    assert "kedoctor gate --wait 10m --junit kedoctor.xml --sarif kedoctor.sarif" in text
    assert text.count("kedoctor.xml") > 1


def test_the_metrics_that_are_told_of_are_written() -> None:
    text = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    written = set(
        re.findall(r"^# TYPE (\w+)", prometheus.render(every_status(), ENGLISH).decode(), re.MULTILINE)
    )
    told = set(re.findall(r"\bkedoctor_[a-z_]+", text)) - {"kedoctor_site"}
    assert told <= written


def test_files_that_the_architecture_names_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    new = {"checks/edgecore/service_bus.py", "tests/unit/checks/edgecore/test_checks_service_bus.py"}
    named = set(re.findall(r"`([\w./-]+(?:\.py|\.yaml|\.toml|/))`", text)) - new
    places = [ROOT, *(ROOT / base for base in ("kedoctor", "checks", "reports", "docs", "tests"))]
    places += [ROOT / "kedoctor/cli", ROOT / "kedoctor/offline"]  # sentences that name their room first
    missing = sorted(name for name in named if not any((place / name).exists() for place in places))
    assert missing == []
