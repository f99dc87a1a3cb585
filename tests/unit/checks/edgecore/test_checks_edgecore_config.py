"""KE201, KE207: edgecore.yaml as a file."""

from __future__ import annotations

import pytest
from edge_samples import NAME, YAML, bilingual, config, edited, file, later, unit

from kedoctor.api import Finding, Host, HostContext, Reason, Status, Unavailable
from kedoctor.checks.edgecore.config import edgecore_config, misplaced_keys
from kedoctor.checks.facts.edge import edgecore as facts
from kedoctor.checks.facts.edge.edgecore import CONFIG_PATH, EdgecoreFile
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.releases import parse

STOPPED = unit(runs=False, active_state="activating")


def judge(read: EdgecoreFile, state: facts.EdgecoreUnit = STOPPED) -> Finding:
    finding = edgecore_config(read, facts.edgecore_config(read, NAME), state, NAME)
    bilingual(finding)
    assert finding.node == "edge1"
    return finding


def test_the_file_keadm_writes_is_right() -> None:
    assert judge(file()).status is Status.PASS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (YAML.replace("    server: 10.99.0.1:10004", "\tbad: [1"), "line 11, column 1: a tab"),
        (YAML[:-30] + "\n  foo: [1, 2\n", "line"),
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        (
            YAML.replace("  edgeStream:\n    enable: true\n    server: 10.99.0.1:10004\n", "  edgeStream:\n"),
            "edgeStream",
        ),
        (YAML.replace("enable: true", 'enable: "perhaps"', 1), "enable"),
        ("modules:\n  edged:\n    hostnameOverride: edge1\n", "names no cloud"),
        ("- a list\n", "not a mapping"),
    ],
)
def test_what_edgecore_cannot_start_from(text: str, words: str) -> None:
    finding = judge(file(text))
    assert finding.status is Status.FAIL
    assert words in finding.summary.en


def test_bytes_that_are_no_text() -> None:
    finding = judge(file(b"\x00\x01\xff\xfe" * 50))
    assert finding.status is Status.FAIL
    assert "line 1" in finding.summary.en


def test_the_line_is_quoted_but_never_a_secret() -> None:
    (evidence,) = judge(file(YAML.replace("    server: 10.99.0.1:10004", "\tbad: [1"))).evidence
    assert (evidence.line, evidence.excerpt) == (11, "\tbad: [1")
    (evidence,) = judge(file("modules:\n\ttoken: abc.def\n")).evidence
    assert (evidence.line, evidence.excerpt) == (2, "")


def test_a_file_that_is_gone() -> None:
    gone = EdgecoreFile(CONFIG_PATH, Unavailable(Reason.ABSENT, CONFIG_PATH))
    assert judge(gone).status is Status.FAIL
    assert judge(gone, unit()).status is Status.WARN, "edgecore still runs on what it read"


def test_a_file_that_may_not_be_read_is_not_known() -> None:
    closed = EdgecoreFile(CONFIG_PATH, Unavailable(Reason.PERMISSION, CONFIG_PATH))
    assert judge(closed).status is Status.UNKNOWN


def test_a_fault_written_after_the_start_breaks_nothing_yet() -> None:
    finding = judge(file("a: [", modified=later(60)), unit())
    assert (finding.status, finding.breaks) == (Status.WARN, ())
    assert judge(file("a: [", modified=later(-60)), unit()).status is Status.FAIL


V1_22 = EdgecoreRelease(parse("v1.22.0"), "v1.22.0")


@pytest.mark.parametrize(
    ("line", "release", "status"),
    [  # versions.md §3
        ("      crashLoopBackOff:\n        maxContainerRestartPeriod: 30s\n", "v1.23.0", Status.PASS),
        ("      crashLoopBackOff:\n        maxContainerRestartPeriod: 30s\n", "v1.22.2", Status.WARN),
        ("      singleProcessOOMKill: true\n", "v1.23.1", Status.PASS),
        ("      singleProcessOOMKill: true\n", "v1.21.2", Status.WARN),
        ("      failCgroupV1: false\n", "v1.22.0", Status.PASS),
        ("      failCgroupV1: false\n", "v1.21.0", Status.WARN),
        ("      podLogsDir: /var/log/pods\n", "v1.19.2", Status.WARN),
        ("      podLogsDir: /var/log/pods\n", "v1.20.0", Status.PASS),
        ("    registerNode: true\n", "v1.17.5", Status.PASS),
        ("    registerNode: true\n", "v1.18.0", Status.WARN),
        ("    registerNode: true\n", "", Status.UNKNOWN),
        ("    remoteRuntimeEndpoint: unix:///run/x.sock\n", "v1.17.0", Status.PASS),
        ("    bandwidthManager: true\n", "v1.23.1", Status.WARN),
        ("    bandwidthManager: true\n", "", Status.WARN),
    ],
)
def test_which_keys_are_read_depends_on_the_release(line: str, release: str, status: Status) -> None:
    head = "    tailoredKubeletConfig:\n" if line.startswith("      ") else ""
    finding = misplaced_keys(edited(edged=head + line), EdgecoreRelease(parse(release), release))
    bilingual(finding)
    assert finding.status is status, finding.summary.en


def test_every_key_is_read() -> None:
    finding = misplaced_keys(config(), V1_22)
    bilingual(finding)
    assert finding.status is Status.PASS


def test_ignored_keys_are_told_with_their_line() -> None:
    text = YAML.replace("    server: 10.99.0.1:10004", "    server: 10.99.0.1:10004\n    enabled: true")
    finding = misplaced_keys(config(text + "    clusterDNS: [10.96.0.10]\n"), V1_22)
    bilingual(finding)
    assert finding.status is Status.WARN
    assert "modules.edgeStream.enabled" in finding.summary.en
    assert "clusterDNS" in finding.summary.en
    assert [one.line for one in finding.evidence] == [12, 15]


def test_keys_written_twice_and_a_second_document() -> None:
    text = YAML.replace("    enable: true\n    server", "    enable: false\n    enable: true\n    server")
    finding = misplaced_keys(config(text + "---\nmodules: {}\n"), V1_22)
    assert "written twice, on line 10 and line 11" in finding.summary.en
    assert "second document" in finding.summary.en


def test_the_name_is_found_in_a_broken_file() -> None:
    class Nobody:
        def observe(self, request: object) -> object:
            return Unavailable(Reason.NOT_RECORDED, "x")

    broken = file(YAML + "\tx: [\n")
    assert facts.edge_name(HostContext("host", frozenset()), Host(Nobody()), broken).name == "edge1"
    assert facts.edge_name(HostContext("host", frozenset()), Host(Nobody()), file("a: b\n")).name == "host"
