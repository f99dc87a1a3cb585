"""Texts from the field: reports that others wrote, what pasting does to them, and people's sentences."""

from __future__ import annotations

import importlib.util
import json
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from pasted import VARIANTS

from kedoctor.checks.explain import explain
from kedoctor.checks.explain.typography import plain_line
from kedoctor.checks.explain.wrapping import completed, joined
from kedoctor.checks.parsers.logs.message_table import knowledge
from kedoctor.model.explanations import Explanation
from kedoctor.model.findings import Certainty

ROOT = Path(__file__).parents[4]
FIXTURES = ROOT / "tests" / "fixtures"
TEXTS = [str(one["text"]) for one in json.loads((FIXTURES / "error-texts.json").read_text(encoding="utf-8"))]
LOSING = {"cut at 120", "cut at 160 by a pager", "ellipsis at 150"}
"""Variants that take something away: what is not there cannot be told."""


def codes(text: str) -> list[str]:
    return [cause.code for cause in explain(text.split("\n")).causes]


def said(text: str) -> Explanation:
    return explain(text.split("\n"))


@cache
def _table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("field_table", ROOT / "benchmarks" / "field_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["field_table"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["field-cases", "more-reports"])
def test_nineteen_of_twenty_reports_from_the_field_are_answered_and_none_is_harmed(name: str) -> None:
    rows = list(_table().rows(name))
    assert [row.case["id"] for row in rows if row.harmful] == []
    missed = [row.case["id"] for row in rows if not row.hit]
    assert len(missed) <= len(rows) // 20, missed


def test_what_pasting_does_to_a_text_changes_at_most_one_first_cause_in_a_hundred() -> None:
    first = {text: codes(text)[:1] for text in TEXTS}
    changed = [
        (name, text[:80])
        for text in TEXTS
        for name, variant in VARIANTS.items()
        if codes(variant(text))[:1] != first[text]
    ]
    assert len(changed) <= len(TEXTS) * len(VARIANTS) // 100, changed
    assert {name for name, _ in changed} <= LOSING


def test_a_line_that_was_cut_is_told_to_be_cut_and_is_never_certain() -> None:
    line = "E1130 10:00:00.000000 100 websocket.go:90] Init websocket connection failed dial tcp 10.0.0.1:10000: connect: connection refused"
    assert completed(line) == line
    answer = said(line[:-8] + ">")
    assert codes(line[:-8] + ">")[0] == codes(line)[0]
    assert answer.causes[0].certainty is Certainty.IMPLIED
    assert "--no-pager" in answer.meaning
    assert "--no-pager" in answer.zh.meaning


@pytest.mark.parametrize(
    ("pasted", "printed"),
    [
        (
            "dial\u00a0tcp\u200b 10.0.0.1：10000：connect：refused",
            ["dial tcp 10.0.0.1:10000: connect: refused"],
        ),
        ("\x1b[01;31m\x1b[KFailed\x1b[m\x1b[K to", ["Failed to"]),
        (r"a \x1b[31mb\x1b[0m ^[[0;31mc^[[0m", ["a b c"]),
        ("Get &quot;https://x&quot; &lt;none&gt;", ['Get "https://x" <none>']),
        ("<p>one <b>two</b></p><br>three <none>", ["one two", "three <none>"]),
        (
            "I1130 10:00:00.0 1 a.go:1] x\\nE1130 10:00:01.0 1 b.go:2] y",
            ["I1130 10:00:00.0 1 a.go:1] x", "E1130 10:00:01.0 1 b.go:2] y"],
        ),
        (
            'E1130 10:00:00.0 1 a.go:1] "x" err="one\\ntwo"',
            ['E1130 10:00:00.0 1 a.go:1] "x" err="one\\ntwo"'],
        ),
        ("[reader.go:33] 5m[5m] rate", ["[reader.go:33] 5m[5m] rate"]),
    ],
)
def test_the_marks_of_a_paste_are_taken_away_and_nothing_else(pasted: str, printed: list[str]) -> None:
    assert plain_line(pasted) == printed


@pytest.mark.parametrize("width", [40, 57, 72, 80, 100, 133])
def test_lines_that_were_wrapped_at_any_width_are_put_together(width: int) -> None:
    line = "E1130 10:00:00.000000     100 websocket.go:90] Init websocket connection failed tls: failed to verify certificate: x509: certificate signed by unknown authority"
    broken = [line[at : at + width] for at in range(0, len(line), width)]
    assert joined(broken, knowledge().is_word) == [line]


def test_lines_that_only_follow_each_other_stay_apart() -> None:
    table = [
        "NAME    STATUS   ROLES        AGE  VERSION",
        "edge1   Ready    agent,edge   1d   v1.31.12-kubeedge-v1.22.0",
    ]
    log = [
        "I1130 10:00:00.000000 1 a.go:1] one that is quite long, and longer",
        "E1130 10:00:01.000000 1 b.go:2] two",
    ]
    for lines in (table, log, ["one"], []):
        assert joined(lines, knowledge().is_word) is None


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("after rebooting the master kubectl logs is dead", "KE308"),
        ("since the power cut of the cloud host exec to edge pods fails", "KE308"),
        ("重启后日志看不了", "KE308"),
        ("重启服务器后 kubectl logs/exec 失效", "KE308"),
        ("cloudcore was redeployed and now logs of the edges cannot be read", "KE305"),
        ("换了IP之后边缘节点全部NotReady", "KE505"),
        ("一年以后 kubectl logs 突然不能用了", "KE406"),
        ("只有一个边缘节点的日志看不到，其他都正常", "KE202"),
        ("高可用集群，从master1可以看日志，从master2不行", "KE307"),
        ("the node stays NotReady after the network came back until edgecore is restarted", "KE505"),
        ("edgecore起不来", "KE701"),
        ("keadm join 卡在 pulling images，离线环境", "KE932"),
        ("metrics for edge nodes are missing", "KE603"),
        ("防火墙开了之后节点连不上 cloudcore", "KE506"),
        ("pod 一直 ContainerCreating", "KE702"),
        ("kubectl logs works but top does not", "KE603"),
    ],
)
def test_a_persons_sentence_leads_to_the_checks_for_its_symptom(sentence: str, wanted: str) -> None:
    answer = said(sentence)
    assert wanted in codes(sentence)[:2], codes(sentence)
    assert answer.causes[0].certainty is Certainty.IMPLIED, "what a person writes is no proof"
    assert answer.meaning != answer.zh.meaning


@pytest.mark.parametrize(
    "sentence", ["hello", "What is KubeEdge?", "everything works fine", "how do I install edgemesh"]
)
def test_a_sentence_without_a_symptom_leads_nowhere(sentence: str) -> None:
    assert codes(sentence) == []


@pytest.mark.parametrize(
    "text",
    [
        'OCI runtime exec failed: exec failed: unable to start container process: exec: "bash": executable file not found in $PATH: unknown',
        "command terminated with exit code 1",
        'failed to try resolving symlinks in path "/var/log/pods/default_web_1/web/0.log": lstat /var/log/pods/default_web_1/web/0.log: no such file or directory',
        "error: error upgrading connection: unable to upgrade connection: 404 page not found (kubectl port-forward web 8080:80)",
    ],
)
def test_that_the_path_works_is_an_answer(text: str) -> None:
    answer = said(text)
    assert answer.causes == ()
    assert answer.benign
    assert "path" in answer.meaning or "port-forward" in answer.meaning


def test_only_a_text_that_leaves_one_cause_is_certain() -> None:
    one = said("W1123 03:18:03.000000 1 module.go:55] Module edgestream is disabled, do not register")
    several = said("E1123 03:18:03.000000 1 certs.go:1] token has invalid claims: token is expired")
    assert one.causes[0].certainty is Certainty.PROVED
    assert several.causes[0].certainty is Certainty.IMPLIED


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            'E1 "Failed to update lease" err="update lease failed, err: timeout to get response for message 5c1d"',
            {"KE511", "KE505"},
        ),
        (
            '"Failed to update lease" err="leases is forbidden: User \\"system:serviceaccount:kubeedge:cloudcore\\" cannot update resource \\"leases\\""',
            {"KE113"},
        ),
        (
            '"Failed to update lease" err="Get \\"https://10.0.0.1:10000\\": x509: certificate signed by unknown authority"',
            {"KE404"},
        ),
    ],
)
def test_noise_never_hides_the_rest_of_its_line(line: str, wanted: set[str]) -> None:
    answer = said(line)
    assert not answer.benign
    assert set(codes(line)[:2]) & wanted, codes(line)


def test_a_failed_lookup_is_no_failed_dial() -> None:
    text = 'Error from server: Get "https://edge-2:10351/containerLogs/a/b/c": dial tcp: lookup edge-2 on [::1]:53: read udp [::1]:4->[::1]:53: read: connection refused'
    assert codes(text)[0] == "KE311"
    assert "KE303" not in codes(text)
