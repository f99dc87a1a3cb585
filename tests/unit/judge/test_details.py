"""What was met where something could not be read is said in Chinese too, as far as the words are ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kedoctor.model.details import detail_text
from kedoctor.model.observations.request import REASONS, Reason, Unavailable
from kedoctor.observe.live.api_errors import connection_failure

ENGINE = Path(__file__).parents[3] / "kedoctor"
CHECKS = ENGINE.parent / "checks"
ROOMS = ("observe", "evidence", "redaction")


def _sentences() -> Iterator[tuple[str, str]]:
    """Each sentence that stands as the detail of an ``Unavailable`` in the engine, with where it stands."""
    for room in ROOMS:
        for path in sorted((ENGINE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Unavailable":
                    continue
                for detail in node.args[2:3]:
                    text = _template(detail)
                    if text:
                        yield f"{path.relative_to(ENGINE)}:{node.lineno}", text


def _template(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values]
        return "".join(parts) if any(isinstance(one, ast.Constant) for one in node.values) else ""
    return ""


@pytest.mark.parametrize(("place", "sentence"), list(_sentences()))
def test_every_sentence_of_ours_has_chinese(place: str, sentence: str) -> None:
    told = detail_text(sentence)
    assert told.en == sentence
    if sentence.strip("X:; "):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in told.zh), place


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("permission denied to uid 1000", "uid 1000 没有权限"),
        ("it is a link to /a: b, which does not exist", "它是指向 /a: b 的链接，而目标不存在"),
        ("https://10.0.0.1:6443: connection refused", "https://10.0.0.1:6443：连接被拒绝"),
        ("crictl is not installed (looked in /usr/bin, /bin)", "未安装 crictl（已查找 /usr/bin, /bin）"),
        ("it does not exist: a part of the path is not a directory", "不存在：路径的某一部分不是目录"),
    ],
)
def test_what_is_named_stays_as_it_is(english: str, chinese: str) -> None:
    assert detail_text(english).zh == chinese


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Stale file handle",
        'pods "a" is forbidden: no; never (HTTP 403)',
        "x" * 5000,
        "a: " * 100_000,
        "it is a " * 60,
    ],
)
def test_what_others_said_stays_as_they_said_it(said: str) -> None:
    assert detail_text(said).zh == said


@pytest.mark.parametrize(
    "error",
    [TimeoutError(), ConnectionRefusedError(), ConnectionResetError(), OSError(113, "No route to host")],
)
def test_a_connection_that_failed_is_told_in_chinese(error: Exception) -> None:
    failure = connection_failure(error, "https://10.0.0.1:6443")
    told = detail_text(failure.detail).zh
    assert told.startswith("https://10.0.0.1:6443")
    assert not isinstance(error, TimeoutError) or told.endswith("：等待应答超时")


@pytest.mark.parametrize(
    ("missing", "chinese"),
    [
        (
            Unavailable(Reason.PERMISSION, "file /etc/a", "permission denied to uid 7"),
            "文件 /etc/a：uid 7 没有权限",
        ),
        (
            Unavailable(Reason.ABSENT, "list configmaps in kubeedge"),
            "列出命名空间 kubeedge 中的 ConfigMaps：不存在",
        ),
        (
            Unavailable(Reason.NOT_RECORDED, "CPUs, memory, and disk of /var/lib", "it was not recorded"),
            "/var/lib 的 CPU、内存和磁盘：没有记录",
        ),
        (
            Unavailable(Reason.NOT_RECORDED, "access review: may I get pods/log", "it was not recorded"),
            "当前用户是否有权 get pods/log：没有记录",
        ),
        (Unavailable(Reason.ERROR, "something new", "Stale file handle"), "something new：Stale file handle"),
    ],
)
def test_what_could_not_be_read_is_told_whole(missing: Unavailable, chinese: str) -> None:
    assert missing.in_chinese == chinese


def test_every_reason_has_words() -> None:
    assert set(REASONS) == set(Reason)


def _quoted_in_chinese() -> Iterator[str]:
    """Where a Chinese sentence of a check quotes, in English, what a function knows to be unavailable."""
    for path in sorted(CHECKS.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            known = set(_unavailable(function))
            for node in ast.walk(function):
                if isinstance(node, ast.JoinedStr) and _is_chinese(node):
                    for part in node.values:
                        if isinstance(part, ast.FormattedValue) and ast.unparse(part.value) in known:
                            yield f"{path.name}:{part.lineno} {ast.unparse(part.value)}"


def _unavailable(function: ast.FunctionDef) -> Iterator[str]:
    for argument in (*function.args.args, *function.args.kwonlyargs):
        if argument.annotation is not None and ast.unparse(argument.annotation) == "Unavailable":
            yield argument.arg
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) != "isinstance":
            continue
        if ast.unparse(node.args[1]) == "Unavailable":
            yield ast.unparse(node.args[0])


def _is_chinese(node: ast.JoinedStr) -> bool:
    words = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return any("\u3000" <= letter <= "\u9fff" or letter in "：；（）" for letter in words)


def test_no_chinese_sentence_quotes_what_is_unavailable_in_english() -> None:
    assert list(_quoted_in_chinese()) == []


_ENGLISH = re.compile(r"(?:\.detail|\.unread\[0\]|\.unanswered\(\)\[0\]|\bstr\([\w.]+\))(?: or [\w.]+)?$")
"""What an expression ends with whose value is a sentence in English only."""


def test_no_chinese_sentence_quotes_details_of_facts_in_english() -> None:
    found = [
        f"{path.name}:{part.lineno} {ast.unparse(part.value)}"
        for path in sorted(CHECKS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) and _is_chinese(node)
        for part in node.values
        if isinstance(part, ast.FormattedValue) and _ENGLISH.search(ast.unparse(part.value))
    ]
    assert found == []


def test_no_english_sentence_quotes_chinese() -> None:
    for path in sorted(CHECKS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and not _is_chinese(node):
                assert "in_chinese" not in ast.unparse(node), f"{path}:{node.lineno}"
