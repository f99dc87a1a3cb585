"""The command line in Chinese: every help text, every usage error, wherever ``--lang`` stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from commandline import kedoctor

from kedoctor.cli import command as group
from kedoctor.cli.chinese import error, help_text

HOUSE = Path(__file__).parents[3]
_LATIN = re.compile(r"(?:\b[a-z]{2,}\b[ ,]+){3,}\b[a-z]{2,}\b")
"""Four words of lower-case letters one after the other: a sentence, and no name of anything."""
_QUOTED = re.compile(r"kedoctor [a-z ]+|mkdir [^，。]*|kubectl [a-z ,]+")
_ERRORS = (
    "UsageError",
    "ConfigurationError",
    "BundleError",
    "UndeterminedError",
    "OutputError",
    "PlaceError",
)
_HELPED = ["base", "changes", "evidence", "cli", "judge", "offline", "report", "run", "snapshot", "rbac"]


def _commands(of: click.Command, context: click.Context) -> Iterator[click.Command]:
    yield of
    if isinstance(of, click.Group):
        for name in of.list_commands(context):
            one = of.get_command(context, name)
            assert one is not None
            yield from _commands(one, click.Context(one, parent=context, info_name=name))


def test_every_help_text_has_its_chinese() -> None:
    missing = []
    for one in _commands(group, click.Context(group, info_name="kedoctor")):
        texts = [
            one.help or "",
            *(
                getattr(param, "help", None) or ""
                for param in one.params
                if not getattr(param, "hidden", False)
            ),
        ]
        missing += [
            f"{one.name}: {text}"
            for text in texts
            if text and help_text(text) == text and not re.search("[\u4e00-\u9fff]", text)
        ]
    procedures = ("cloud:", "edge:")  # these bring their texts in both languages themselves
    assert not [text for text in missing if not text.startswith(procedures)]


def _template(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values)
    return None


def _errors() -> Iterator[tuple[str, str]]:
    for room in _HELPED:
        for path in sorted((HOUSE / "kedoctor" / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ERRORS:
                    for part in [*node.args, *(one.value for one in node.keywords if one.arg == "hint")]:
                        text = _template(part)
                        if text:
                            yield f"{path.name}:{node.lineno}", text


def test_every_usage_error_has_its_chinese() -> None:
    english = [f"{place}: {text}" for place, text in _errors() if _LATIN.search(_QUOTED.sub("", error(text)))]
    assert not english, "\n".join(english)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lang", "zh", "run", "--nonsense"), "没有选项"),
        (("run", "--lang", "zh", "--only", "KE2022"), "没有检查项 'KE2022'，您是否想输入 'KE202'？"),
        (("--lang=zh", "rollback", "xyz"), "没有 ID 为 'xyz' 的更改"),
        (("--lang", "zh", "install", "cloud"), "缺少选项：--bundle DIR"),
    ],
)
def test_a_usage_error_is_chinese(arguments: tuple[str, ...], words: str) -> None:
    done = kedoctor(*arguments)
    assert (done.returncode, words in done.stderr) == (64, True), done.stderr


def test_a_missing_option_is_named_with_what_it_takes() -> None:
    done = kedoctor("install", "cloud")
    assert (done.returncode, "Missing option: --bundle DIR" in done.stderr) == (64, True)


def test_the_language_before_the_command_is_that_of_its_output() -> None:
    assert "未找到 kubeconfig" in kedoctor("--lang", "zh", "run", "-q").stdout
    assert "用法：" in kedoctor("--lang", "zh", "run", "--help").stdout
