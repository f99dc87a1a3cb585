"""``kedoctor explain`` and its references: what it prints opens, offline too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commandline import kedoctor


def test_a_page_ends_with_sections_that_open_and_upstream_files_with_their_tag() -> None:
    done = kedoctor("explain", "KE303")
    assert done.returncode == 0
    references = done.stdout.partition("\nReferences\n")[2]
    assert re.search(
        r"^facts\.md §3\.3 +ConfigMap `tunnelport` and port allocation$", references, re.MULTILINE
    )
    assert (
        "https://github.com/kubeedge/kubeedge/blob/v1.22.0/cloud/pkg/cloudstream/iptables/iptables.go"
        in references
    )
    files = [Path(line.strip()) for line in references.splitlines() if line.startswith("  /")]
    assert {path.name for path in files} == {"facts.md", "testbed.md"}
    assert all(path.is_file() for path in files)
    assert 'kedoctor explain --reference "facts.md §3.3"' in references


def test_the_json_of_a_page_holds_its_references() -> None:
    document = json.loads(kedoctor("explain", "KE303", "--format", "json").stdout)
    first = document["references"][0]
    assert first["citation"] == "facts.md §3.3"
    heading = Path(first["file"]).read_text(encoding="utf-8").splitlines()[first["line"] - 1]
    assert heading == "### 3.3 ConfigMap `tunnelport` and port allocation"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--reference", "facts.md §3.2"),
        ("--reference", "facts.md 3.2"),
        ("--reference", "facts 3.2"),
        ("facts.md §3.2",),
        ("facts.md§3.2",),
    ],
)
def test_a_section_is_printed_however_it_is_typed(arguments: tuple[str, ...]) -> None:
    done = kedoctor("explain", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("facts.md §3.2  How cloudcore sets it\n")
    assert "`failed to Update KubeletEndpoint Port`" in done.stdout
    assert "Paths without a name: https://github.com/kubeedge/kubeedge/blob/v1.22.0/" in done.stdout


@pytest.mark.parametrize(
    ("place", "title"),
    [
        ("facts.md §10 (31)", "CA replaced"),
        ("testbed.md case f1", "edge server.crt expired"),
        ("testbed.md surprise 7", "Expired stream.crt breaks nothing"),
        ("kubeprepare.md B40", "IP regex accepts 999.1.1.1"),
        ("facts.md", "facts.md §3.5"),
    ],
)
def test_rows_cases_and_contents_are_printed_too(place: str, title: str) -> None:
    done = kedoctor("explain", "--reference", place)
    assert done.returncode == 0, done.stderr
    assert title in done.stdout


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("facts.md §99", "facts.md has no section 99"),
        ("facts.md §10 (999)", "facts.md has no item 999"),
        ("fax.md §3", "names no section of a reference document"),
        ("", "names no section"),
    ],
)
def test_a_place_that_does_not_exist_is_a_wrong_call_with_a_way_on(place: str, words: str) -> None:
    done = kedoctor("explain", "--reference", place)
    assert done.returncode == 64
    assert words in done.stderr
    assert "kedoctor explain --reference facts.md" in done.stderr


def test_a_section_is_one_json_object() -> None:
    document = json.loads(kedoctor("explain", "--reference", "facts.md §9 (8)", "--format", "json").stdout)
    assert document["reference"]["citation"] == "facts.md §9 (8)"
    assert document["text"].splitlines()[-1].startswith("| 8 |")


def test_an_error_text_is_still_explained_where_it_names_a_file() -> None:
    done = kedoctor("explain", "dial tcp 10.99.0.2:10350: connect: connection refused")
    assert "KE202" in done.stdout
