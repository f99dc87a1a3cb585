"""The reference documents: every citation of them leads somewhere, in code, pages, tests and documents."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from kedoctor.plugins import Plugins, load_plugins
from kedoctor.sources.citations import unwrapped
from kedoctor.sources.library import CitationError, Library

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"
ROOMS = ("kedoctor", "checks", "reports", "docs", "tests", "benchmarks", "README.md", "CONTRIBUTING.md")
TEXTS = {".py", ".md", ".yaml", ".j2", ".toml"}
# What stands after the name of a document and looks like a place in it, but is not written as one.
LOOSE = re.compile(
    r"\b(?:facts|testbed|kubeprepare|requirements|versions)\.md"
    r"(?:,? (?:\d+\.\d|[Ss]urprises? \(|[a-m]\d?[.,;)\"'`]|[RXB]\d)|, §| ?§ )"
    r"|\b(?:facts|testbed|kubeprepare|requirements) §"
)
# Texts that name places which are wrong, or loosely written, on purpose.
ON_PURPOSE = {
    "docs/man/kedoctor.1",
    "kedoctor/cli/chinese_help.py",
    "kedoctor/cli/explain.py",
    "kedoctor/sources/citations.py",
    "tests/unit/cli/test_explain_references.py",
}
# Working papers that were never part of the project.
FOREIGN = re.compile(
    r"(?<![\w/.-])(?:design|layout|naming|anchors|field-findings|bed-findings|security-findings|operator-review"
    r"|user-document|performance)\.md"
)


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


@cache
def _library() -> Library:
    return _plugins().library


def _texts() -> list[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *ROOMS], cwd=ROOT, capture_output=True, check=True
    ).stdout
    paths = (ROOT / name for name in listed.decode().split("\0") if name)
    return [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in paths
        if path.is_file() and not path.is_symlink() and path.suffix in TEXTS and path != Path(__file__)
        if str(path.relative_to(ROOT)) not in ON_PURPOSE
    ]


def test_every_citation_leads_to_a_section_or_a_row() -> None:
    count, lost = 0, []
    for name, text in _texts():
        for citation in _library().citations(text):
            count += 1
            try:
                _library().section(citation)
            except CitationError as error:
                lost.append(f"{name}: {error}")
    assert not lost, "\n".join(lost)
    assert count > 1400  # or the citations are not seen


def test_every_citation_is_written_so_that_it_is_read() -> None:
    loose = [
        f"{name}: {found[0]}"
        for name, text in _texts()
        for found in LOOSE.finditer(unwrapped(text))
        if not _library().citations(found[0]) or not _read(found[0])
    ]
    assert not loose, "\n".join(loose)


def _read(text: str) -> bool:
    """Whether a place was read in it, and not the document alone."""
    return any(citation.number or citation.name or citation.items for citation in _library().citations(text))


def test_no_text_names_a_document_that_is_not_here() -> None:
    named = [
        f"{name}: {found[0]}"
        for name, text in _texts()
        if not name.startswith("docs/")
        for found in FOREIGN.finditer(text)
    ]
    assert not named, "\n".join(named)


def test_every_reference_of_a_check_can_be_opened() -> None:
    for code, node in _plugins().registry.checks.items():
        for text in node.check.references:
            found = _library().references(text)
            assert found, (code, text)
            assert not _library().unread(text), (code, text)
            for one in found:
                assert one.url.startswith("https://") or (Path(one.file).is_file() and one.line > 0), (
                    code,
                    one,
                )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_references_of_a_page_are_those_of_its_check_and_more(language: str) -> None:
    for code, node in _plugins().registry.checks.items():
        page = _plugins().page(code, language)
        if node.plugin != "checks" or page is None:
            continue
        section = _references_of(page)
        assert not _library().unread(section), (code, _library().unread(section))
        own = {_places(text) for text in node.check.references}
        cited = _places(section)
        for places in own:
            assert places <= cited, (code, places - cited)


def _references_of(page: str) -> str:
    return re.split(r"^## (?:References|参考)$", page, flags=re.MULTILINE)[1]


def _places(text: str) -> frozenset[str]:
    """Each single place that a text refers to, whatever is named together."""
    found = set()
    for citation in _library().citations(text):
        items = citation.items or ("",)
        found |= {f"{citation.document} {citation.number}{citation.name} {item}" for item in items}
    found |= {one.url for one in _library().references(text) if one.url}
    return frozenset(found)


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*.md")), ids=lambda path: path.name)
def test_every_section_has_an_anchor_of_its_own(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    numbered = [
        (place, found[1])
        for place, line in enumerate(lines)
        if (found := re.match(r"#{2,4} (\d+(?:\.\d+)*)", line))
    ]
    for place, number in numbered:
        anchor = f'<a id="s{number.replace(".", "-")}"></a>'
        assert lines[place - 2] == anchor, f"{path.name} {number}"
    anchors = re.findall(r'<a id="([^"]+)">', "\n".join(lines))
    assert len(anchors) == len(set(anchors))
    for target in re.findall(r"\]\(#([^)]+)\)", "\n".join(lines)):
        assert target in anchors


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*.md")), ids=lambda path: path.name)
def test_links_between_the_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([\w.-]+\.md)\)", path.read_text(encoding="utf-8")):
        assert (REFERENCE / target).is_file(), target


def test_the_documents_of_the_checkout_are_those_that_are_installed() -> None:
    assert {path.name for path in REFERENCE.glob("*.md")} - {"README.md"} == set(_library().documents)
    for name, document in _library().documents.items():
        assert document.path.resolve() == REFERENCE / name
