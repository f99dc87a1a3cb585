"""KE512: the hub link over QUIC (facts.md §11.8)."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcore_samples import config as cloudcore
from edge_samples import NOT_RECORDED, NOW, YAML, bilingual, config, later, log, said, unit

from kedoctor.api import Finding, Status
from kedoctor.checks.tunnel.hub_quic import hub_quic

QUIC = YAML.replace(
    "    websocket:\n      enable: true\n",
    "    quic:\n      enable: true\n      server: 10.99.0.1:10001\n    websocket:\n      enable: false\n",
)
BAD = said(later(-5, NOW), "E Init quic connection failed timeout: no recent network activity")
GOOD = said(later(-60, NOW), "I Quic connect to cloud access successful")
SERVED = cloudcore("modules:\n  cloudHub:\n    quic: {enable: true}\n")


def look(text: str = "", cloud: Any = NOT_RECORDED, yaml: str = QUIC, **state: Any) -> Finding:
    finding = hub_quic(config(yaml), unit(**state), log(text) if text else NOT_RECORDED, cloud)
    bilingual(finding)
    assert finding.node == "edge1"
    return finding


def test_the_websocket_is_another_matter() -> None:
    assert look(BAD, yaml=YAML).status is Status.SKIP
    assert look(BAD, runs=False).status is Status.SKIP


@pytest.mark.parametrize(
    ("text", "cloud", "status", "words"),
    [
        (GOOD, SERVED, Status.PASS, ""),
        (GOOD + BAD, SERVED, Status.FAIL, "nothing answers there"),
        (BAD, NOT_RECORDED, Status.FAIL, "nothing answers there"),
        (BAD, cloudcore("modules: {}\n"), Status.FAIL, "cloudHub.quic is off"),
        ("", cloudcore("modules: {}\n"), Status.FAIL, "cloudHub.quic is off"),
        ("", NOT_RECORDED, Status.UNKNOWN, ""),
        ("", SERVED, Status.UNKNOWN, ""),
        (
            said(later(-3600, NOW), "E Init quic connection failed timeout") + GOOD,
            NOT_RECORDED,
            Status.PASS,
            "",
        ),
    ],
)
def test_quic_is_judged_by_both_ends(text: str, cloud: Any, status: Status, words: str) -> None:
    finding = look(text, cloud)
    assert finding.status is status
    assert words in finding.summary.en
