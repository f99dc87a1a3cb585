"""What operators read is plain English: no wording that had to be read twice stands in a text, a help, a page or a document.

The phrases are those that people stumbled over, each with what replaces it. Docstrings are for programmers and are
not looked at; the documents in ``docs/reference`` quote other people.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]
_PACKAGES = ("kedoctor", "checks", "reports")

FORBIDDEN = {
    r"\b(?:is|are|was|were) told\b(?! apart)": "say who reports it",
    r"\btells? of\b": "has",
    r"\bso already\b": "already done, nothing to change",
    r"\bwhoever\b": "anyone who",
    r"\bshall\b": "must, is to",
    r"\bfor ever\b": "again and again, without end",
    r"\bWhat of\b": "name the thing",
    r"(?:;|,| and) else (?!than)|(?<!thing )(?<!body )\belse[.!]\s*$|^Else ": "[default: ...], otherwise",
    r"\b(?:is|are|was|were|be|been) taken back\b|\btakes? (?:it|them|that) back\b": "roll back",
    r"\b(?:is|are) not known\b|\bNot known\b": "is unknown, not checked",
    r"\bnobody named it\b": "Missing option",
    r"\bNothing (?:broken was found|is wrong with)\b": "see reports/headlines.py",
    r"\bcould not look\b": "did not run",
    r"\bever dialled\b|\bsaid by\b": "source, target",
    r"\bin consequence\b": "follow-on",
    r"\bor let kedoctor\b": "auto-fix",
    r"\bthe nearest first\b": "in request-path order",
    r"\bNothing strange listens\b": "No unexpected process listens",
    r"\bof now\b": "current",
    r"\bIts last words\b": "Last log line",
    r"\bwhat the repair rests on\b": "required data",
    r"\bauthenticates nobody\b": "requires no authentication",
    r"\bno figures\b": "no metrics",
    r"\bdiversion to cloudcore\b": "DNAT rule to cloudcore",
    r"(?<!here )\bis no (?:bundle|duration|date|edge|file|directory|service|check|symptom|YAML|JSON|address)\b": "is not a",
}


def _docstrings(tree: ast.Module) -> set[int]:
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, nodes):
            continue
        for one in node.body:  # the texts below constants, too
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                found.add(id(one.value))
    return found


def _command_docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """What ``--help`` says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(
            "command" in ast.unparse(one) or "group" in ast.unparse(one) for one in node.decorator_list
        ):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = _docstrings(tree) - {id(one) for one in _command_docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def _sources() -> list[Path]:
    return [
        path
        for name in _PACKAGES
        for path in sorted((HOUSE / name).rglob("*.py"))
        if "recordings" not in path.parts and not path.is_symlink()
    ]


def _documents() -> list[Path]:
    pages = [path for path in (HOUSE / "checks").rglob("*.md") if path.parent.name == "en"]
    docs = list((HOUSE / "docs").glob("*.md"))
    return [*sorted(pages), *sorted(docs), HOUSE / "README.md"]


def _wrong(text: str) -> list[str]:
    flat = " ".join(text.split())
    return [
        f"{found[0]!r}: {better}"
        for phrase, better in FORBIDDEN.items()
        if (found := re.search(phrase, flat, re.IGNORECASE if phrase.startswith(r"\bwho") else 0))
    ]


def test_no_text_of_the_product_uses_wording_that_has_to_be_read_twice() -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{line}: {problem}: {text[:80]!r}"
        for path in _sources()
        for line, text in _texts(path)
        for problem in _wrong(text)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", _documents(), ids=lambda path: path.stem)
def test_no_document_uses_it(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    wrong = [f"{number}: {problem}" for number, line in enumerate(lines, 1) for problem in _wrong(line)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "that is told",
        "its log tells of no fault",
        "everything is so already",
        "Whoever reaches it",
        "DIR; else ~/x",
        "leave it or not, else.",
    ],
)
def test_the_phrases_are_found(text: str) -> None:
    assert _wrong(text)


@pytest.mark.parametrize(
    "text",
    [
        "and nothing else is changed",
        "It reads this file and nothing else.",
        "told apart by its name",
        "There is no edge node.",
    ],
)
def test_plain_wording_is_not(text: str) -> None:
    assert not _wrong(text)
