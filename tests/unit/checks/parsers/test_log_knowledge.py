"""The table of texts, the digest of logs, and how real reports fare (docs/corpus.md)."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from kedoctor.checks.data_path import PATH
from kedoctor.checks.parsers.logs.log_digest import HEAD, Digest
from kedoctor.checks.parsers.logs.message_table import knowledge
from kedoctor.checks.parsers.logs.prefilter import common_parts, fixed_words
from kedoctor.model.declarations import RunMode
from kedoctor.plugins import load_plugins

ROOT = Path(__file__).parents[4]
TEXTS = json.loads((ROOT / "tests" / "fixtures" / "error-texts.json").read_text(encoding="utf-8"))


@cache
def _table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus_table", ROOT / "benchmarks" / "corpus_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["corpus_table"] = module  # where dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_nine_of_ten_real_reports_have_their_root_cause_named_first_or_second() -> None:
    found = list(_table().rows())
    counted = [row for row in found if row.counted]
    missed = [row.report["id"] for row in counted if not row.hit]
    assert len(missed) <= len(counted) // 10, missed
    assert (ROOT / "docs" / "corpus.md").read_text(encoding="utf-8") == _table().table(found), (
        "run: python benchmarks/corpus_table.py"
    )


def test_the_table_agrees_with_the_checks_that_are_built() -> None:
    table = knowledge()
    for code, node in load_plugins(directory=Path("/nonexistent")).registry.checks.items():
        if (
            node.plugin == "checks" and RunMode.RUN in node.check.occasions
        ):  # no log tells of an install's steps
            info = table.codes[code]
            declared = (node.check.slug, node.check.side.value, node.check.hop or info.hop)
            assert (info.slug, info.side, info.hop) == declared, code


def test_the_table_names_only_what_exists_in_both_languages() -> None:
    table = knowledge()
    tells = {"benign", "cause", "sign", "follows", "start", "ok", "works", "aside", "context", "log"}
    named = {code for message in table.messages for code in message.codes}
    named |= {
        code for leg in table.legs.values() for row in leg.codes.values() for code in row
    } | table.states
    assert named <= set(table.codes)
    for message in table.messages:
        assert message.tells in tells, message.pattern.pattern
        assert (
            message.codes
            or message.leg
            or message.tells in {"benign", "ok", "works", "aside"}
            or "lookup" in message.words[0]
        )
        assert not message.meaning.en.startswith("{"), "a sentence begins with a word of its own"
        assert re.search("[\u4e00-\u9fff]", message.meaning.zh), message.meaning.en
    kinds = {error.kind for error in table.errors} | {"unknown"}  # a line whose end says nothing
    for leg in table.legs.values():
        assert set(leg.codes) <= kinds, leg.name


def test_lines_may_be_left_out_by_their_words_alone() -> None:
    table = knowledge()
    for one in TEXTS:
        for line in str(one["text"]).split("\n"):
            known = any(True for _ in table.messages_in(line, people=False))
            assert not known or table.may_matter(line), line


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"find edge peer done(?:, so stop)?", ("find edge peer done",)),
        (r"one thing|another [a-z]+ thing", ("one thing", "another ")),
        (r"abcdx?efgh", ("abcd",)),
        (r"(?:only in a group)", ()),
        (r"a{2,3}bcdef\.go:\d+", ("bcdef.go:",)),
        (r"[]x]literal text", ("literal text",)),
    ],
)
def test_the_words_every_match_contains(pattern: str, words: tuple[str, ...]) -> None:
    assert fixed_words(pattern) == words


def test_common_parts_cover_every_word() -> None:
    words = ["connection refused", "refused", "i/o timeout"]
    parts = common_parts(words)
    assert all(any(part in word for part in parts) for word in words)
    assert len(parts) <= 2


def test_memory_does_not_grow_with_the_log() -> None:
    def endless() -> Iterator[str]:
        for n in range(30_000):
            yield f"error {chr(0x4E00 + n % 20000)}{chr(0x4E00 + n // 3)} in a line of its own shape"

    digest = Digest(lambda line: "error" in line).read(endless())
    kept = digest.samples()
    assert digest.lines == 30_000
    assert len(kept) <= 4096
    assert len(digest.head) == HEAD
    assert kept[-1].last == 30_000


def test_equal_lines_are_counted_and_the_newest_is_kept() -> None:
    digest = Digest(lambda _: True).read(f"dial tcp 10.0.0.{n % 200}:10004: refused" for n in range(1000))
    (sample,) = digest.samples()
    assert (sample.count, sample.first, sample.last) == (1000, 1, 1000)
    assert sample.text == "dial tcp 10.0.0.199:10004: refused"


# ------------------------------------------------------------------------- one table for explain and for the checks


READERS = {"KE112": "cloudcore", "KE607": "metrics-server", "KE711": "edgecore"}

# What the user's document says is printed and no program prints (facts.md §5, §5.5).
INVENTED = (
    "EdgeStream started successfully",
    "Connected to CloudStream at 192.168.1.10:10004",
    "Failed to connect to CloudStream: connection refused",
    "handler.go:112] Fail to serve node",
    "hubcontroller.go:88] Failed to listen on :10000",
)

# Texts that stand in the logs of sites that work, and must never be a cause.
NOISE_IN_LOGS = (
    (
        "KE112",
        "Failed to get metrics, err: apiconnection Serve APIServer_MetricsConnection MessageID 14 in Tunnel session [edge1] error APIServer_MetricsConnection MessageID 14 find edge peer done, so stop this connection",
    ),
    (
        "KE112",
        "http: TLS handshake error from 10.0.0.9:4711: read tcp 10.0.0.1:10002->10.0.0.9:4711: read: connection reset by peer",
    ),
    ("KE112", "http: TLS handshake error from 10.0.0.9:4711: EOF"),
    ("KE112", "http: superfluous response.WriteHeader call from net/http.Error (server.go:2143)"),
    ("KE711", "connect error: Network Error : dial tcp 127.0.0.1:1884: connect: connection refused"),
    (
        "KE711",
        "Skipping pod synchronization err=[container runtime status check may not have completed yet, PLEG is not healthy: pleg has yet to be successful]",
    ),
)


def test_the_checks_of_logs_read_the_same_table_as_explain() -> None:
    table = knowledge()
    assert set(table.of_logs) == set(READERS)
    hops = set(PATH.hops)
    for check, program in READERS.items():
        for message in table.of_logs[check]:
            assert message.logs is not None
            assert message.tells not in {"benign", "ok", "context"}, message.pattern.pattern
            assert message.logs.hop in hops, message.pattern.pattern
            assert program in message.component or "runtime" in message.component, message.pattern.pattern
            assert message.codes or message.leg, "it leads to the checks that decide"
            assert not message.of_people
    for message in table.messages:
        assert message.tells != "log" or message.logs, "nobody would read it"


@pytest.mark.parametrize(("check", "line"), NOISE_IN_LOGS)
def test_noise_is_never_told_by_a_check(check: str, line: str) -> None:
    assert knowledge().in_log(check, line) is None


def test_a_fault_beside_noise_in_one_line_is_told() -> None:
    line = "Skipping pod synchronization err=[container runtime is down, PLEG is not healthy: pleg has yet to be successful]"
    found = knowledge().in_log("KE711", line)
    assert found is not None
    assert found[0].leg == "runtime"


@pytest.mark.parametrize("line", INVENTED)
def test_what_no_program_prints_is_not_in_the_table(line: str) -> None:
    table = knowledge()
    assert list(table.messages_in(line, people=False)) == []
    assert all(table.in_log(check, line) is None for check in READERS)
