"""Everything the user's document asks is answered, and the catalogue is that of the checks (docs/)."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import click

from kedoctor.cli import command
from kedoctor.plugins import load_plugins

ROOT = Path(__file__).parents[3]
CATALOGUE = json.loads((ROOT / "tests" / "catalogue.json").read_text(encoding="utf-8"))
NUMBERS = [*(f"R{n:03}" for n in range(1, 170)), *(f"X{n:02}" for n in range(1, 17))]


@cache
def _catalogue() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_catalogue", ROOT / "docs" / "catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _rows() -> list[list[str]]:
    text = (ROOT / "docs" / "reference" / "requirements.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.match(r"\| [RX]\d", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_catalogue_is_that_of_the_checks() -> None:
    written = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert written == _catalogue().page(), "run: python docs/catalogue.py"


def test_every_code_of_the_catalogue_is_there() -> None:
    checks = load_plugins(directory=Path("/nonexistent")).registry.checks
    rows = _catalogue().rows()
    assert set(CATALOGUE) - set(rows) == set()
    for code, planned in CATALOGUE.items():
        assert f"| {planned['slug']} |" in rows[code], code
        assert checks[code].check.slug == planned["slug"], code
        # A check over both ends of the path is declared where its verdict is given, one of any host as such.
        assert checks[code].check.side.value in (*planned["sides"], "site", "host"), code


def test_every_number_of_the_document_is_answered_once() -> None:
    assert [row[0] for row in _rows()] == NUMBERS


def test_every_answer_names_a_check_or_a_command() -> None:
    codes = set(_catalogue().rows())
    commands = set(command.list_commands(click.Context(command)))
    for number, asked, answered, how in _rows():
        assert asked, number
        assert how, number
        named = re.findall(r"KE\d{3}", answered)
        typed = re.findall(r"`(?:kedoctor )?([a-z]+)[^`]*`", answered)
        assert named or typed, number
        assert set(named) | set(re.findall(r"KE\d{3}", how)) <= codes, number
        assert set(typed) | set(re.findall(r"`kedoctor ([a-z]+)", how)) <= commands, number


def test_what_is_done_differently_says_why() -> None:
    reasons = {row[0]: row[3] for row in _rows()}
    for number, how in reasons.items():
        other = re.fullmatch(r"done differently: as ([RX]\d+)", how)
        reason = reasons[other[1]] if other else how
        if how.startswith("done differently"):
            assert len(reason) > len("done differently: why"), number


def test_every_check_answers_something_the_document_needs() -> None:
    told = {code for row in _rows() for code in re.findall(r"KE\d{3}", " ".join(row))}
    assert len(told & set(CATALOGUE)) > 70
