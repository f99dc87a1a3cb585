"""Every kedoctor command that a page, a hint, a document or the README quotes can be typed: it exists, with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from kedoctor.cli import command
from kedoctor.plugins import load_plugins

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "ci").glob("*.yml")),
    *sorted((ROOT / "checks").glob("**/pages/*/*.md")),
]
SOURCES = [
    path
    for room in ("checks", "kedoctor", "reports")
    for path in sorted((ROOT / room).rglob("*.py"))
    if "pages" not in path.parts
]
_BEGINS = re.compile(
    r"(?P<typed>sudo |kubectl |[`$] ?)?\bkedoctor (?P<word>--?[a-z][a-z-]*|[a-z]+(?:-[a-z]+)*)(?P<rest>[^`\n;|#。，；）]*)"
)
_OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")


@cache
def _root() -> click.Group:
    return command


def _command(words: list[str]) -> tuple[str, click.Command] | None:
    """The command that these words name, subcommands included."""
    context = click.Context(_root())
    found: click.Command = _root()
    name = []
    for word in words:
        if not isinstance(found, click.Group):
            break
        nearer = found.get_command(context, word)
        if nearer is None:
            break
        found = nearer
        name.append(word)
    return (" ".join(name), found) if name else None


def _wrong(text: str, *, typed: bool) -> Iterator[str]:
    """What of the commands in a text cannot be typed; ``typed``: all of them are commands, and none is prose."""
    for match in _BEGINS.finditer(text):
        line, word, rest = match[0], match["word"], match["rest"]
        found = _command([word, *rest.split()])
        if found is None:
            if (typed or match["typed"]) and not word.startswith("-"):
                yield f"{line!r}: there is no command {word}"
            continue
        name, known = found
        options = {"-h", "--help"} | {
            flag
            for one in known.get_params(click.Context(known))
            if isinstance(one, click.Option)
            for flag in one.opts
        }
        # A second command on the same line has options of its own.
        mine = re.split(r"\b(?:kedoctor|kubectl|grep|sudo) ", rest)[0]
        for flag in _OPTION.findall(mine):
            if flag not in options:
                yield f"{line!r}: {name} has no option {flag}"


def _quoted(text: str) -> Iterator[str]:
    """What a document sets as code: in backquotes, in fences, indented."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.partition("#")[0]
        else:
            yield from re.findall(r"`([^`]*)`", line)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_documents_quote_can_be_typed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wrong = [one for part in _quoted(text) for one in _wrong(part, typed=True)]
    wrong += _wrong(text, typed=False)
    assert not wrong


def test_what_programs_say_can_be_typed() -> None:
    wrong = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = _said(node)
            wrong += [f"{path.relative_to(ROOT)}: {one}" for one in _wrong(text, typed=False)]
    assert not wrong


def _said(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else "X"
            for one in node.values
        )
    return ""


def test_remedies_can_be_typed() -> None:
    for code, node in load_plugins(directory=Path("/nonexistent")).registry.checks.items():
        remedy = node.check.remedy
        if remedy is not None:
            assert not [*_wrong(remedy.en, typed=False), *_wrong(remedy.zh, typed=False)], code


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("sudo kedoctor run --fix", 0),
        ("kedoctor bundle verify DIR --side edge", 0),
        ("kedoctor run --fixx", 1),
        ("sudo kedoctor walk", 1),
        ("kedoctor bundle verify --wheels DIR", 1),
        ("kedoctor looks at it", 0),
    ],
)
def test_this_test_sees_what_cannot_be_typed(text: str, wrong: int) -> None:
    assert len([*_wrong(text, typed=False)]) == wrong
