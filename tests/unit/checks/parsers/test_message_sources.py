"""Where each text of the table of messages comes from; benchmarks/message_sources.py looks them up in the sources."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kedoctor.base.records import decode_yaml

ROOT = Path(__file__).parents[4]
OTHER = re.compile(r"recordings|report|facts\.md(?: §[\d.]+)?|systemd src/\S+\.c")


@cache
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "message_sources", ROOT / "benchmarks" / "message_sources.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["message_sources"] = module
    spec.loader.exec_module(module)
    return module


def messages() -> list[dict[str, Any]]:
    table = ROOT / "checks" / "parsers" / "logs" / "messages.yaml"
    return list(decode_yaml(table.read_bytes())["messages"])


def test_every_text_that_a_program_prints_has_its_source() -> None:
    missing = [one["pattern"] for one in messages() if one["component"] != "person" and not one.get("source")]
    assert not missing
    unread = [
        source
        for one in messages()
        for source in one.get("source", ())
        if not script().FILE.match(source) and not OTHER.fullmatch(source)
    ]
    assert not unread


def test_a_text_of_other_releases_only_names_them() -> None:
    """One that stands in no file of v1.22.2 is not said to be of v1.22."""
    for one in messages():
        found = [script().FILE.match(source) for source in one.get("source", ())]
        releases = [match["release"] for match in found if match and match["project"] == "kubeedge"]
        if releases and len(releases) == len(found):
            assert "versions" in one, one["pattern"]


@pytest.mark.parametrize(
    "text",
    [
        "error when init websocket connection",
        "failed to download CA certificate",
        "register node failed, error",
        "cannot get local IP",
        "unable to get local ip",
        "failed to create tunnel",
        "build kubeconfig from flags failed",
        "unsupported container runtime",
    ],
)
def test_what_no_release_prints_is_not_looked_for(text: str) -> None:
    """versions.md, "Log texts by version": dead alternatives."""
    ways = ["".join(way).lower() for one in messages() for way in script().fixed_words(one["pattern"])]
    assert not [way for way in ways if text.lower() in way]


def test_words_are_found_in_a_source_whatever_stands_between_them() -> None:
    words = script().fixed_words(
        r"get Tunnel session \[(?P<node>\S+)\] error|Start (?:tunnelServer|stream server) error"
    )
    source = 'klog.errorf("start stream server error %v")'
    assert [script().stands_in(way, source) for way in words] == [False, False, True]
