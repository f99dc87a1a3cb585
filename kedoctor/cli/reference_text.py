"""A section of a reference document as a terminal shows it: tables as records, one row after the other."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from kedoctor import patterns
from kedoctor.base.text import Text
from kedoctor.model.references import Reference, Section
from kedoctor.sources.markdown import cells, plain

__all__ = ["listed", "shown"]

_WIDTH = 100
_BULLET = patterns.compiled(r"(\s*)(\d+\.|[-*]) (.*)")
_SETTING = patterns.compiled(r"\|[\s:|-]+\|?")
_HEADING = patterns.compiled(r"\A#+ .*\n")
_PATH = patterns.compiled(r"`[\w.-]+/[\w./-]+\.\w+(?::[\d,-]+)?`")
_ANCHOR = patterns.compiled(r'<a id="[^"]*"></a>')
_PATHS = Text("Paths without a name: {paths}", zh="未注明项目的路径：{paths}")
_FILE = Text("File: {file}, line {line}", zh="文件：{file}，第 {line} 行")
_READ = Text(
    'Read one: kedoctor explain --reference "{citation}"',
    zh='查看：kedoctor explain --reference "{citation}"',
)


def shown(section: Section, language: str) -> Iterator[str]:
    """The lines of a section: its text, then where it lies; of a whole document its sections."""
    reference = section.reference
    yield f"{reference.citation}  {reference.title}"
    yield ""
    if section.sections:
        yield from _contents(section)
        yield ""
        yield _READ.in_language(language).format(citation=section.sections[0][0])
    else:
        yield from _text(_HEADING.sub("", section.text, count=1).strip())
        yield ""
    yield _FILE.in_language(language).format(file=reference.file, line=reference.line)
    if section.paths and not section.sections and _PATH.search(section.text):
        yield _PATHS.in_language(language).format(paths=section.paths)


def listed(references: list[Reference], language: str) -> Iterator[str]:
    """One line for each thing that is referred to, and how to read the first section among them."""
    width = max((len(one.citation) for one in references if one.file), default=0)
    for one in references:
        if one.file:
            yield f"{one.citation:{width}}  {one.title}"
    for one in references:
        if not one.file:
            yield one.url or one.citation
    first = next((one for one in references if one.file), None)
    if first is not None:
        yield ""
        yield _READ.in_language(language).format(citation=first.citation)
        for file in dict.fromkeys(one.file for one in references if one.file):
            yield f"  {file}"


def _contents(section: Section) -> Iterator[str]:
    width = max(len(citation) for citation, _ in section.sections)
    for citation, title in section.sections:
        yield f"  {citation:{width}}  {title}"


def _text(text: str) -> Iterator[str]:
    head: list[str] = []
    fenced = False
    blank = True
    for line in text.split("\n"):
        if line.startswith("```"):
            fenced = not fenced
            continue
        rendered = [line] if fenced else list(_line(line, head))
        head = [] if fenced or not line.startswith("|") else head or cells(line)
        for one in rendered:
            if one or not blank:
                yield one
            blank = not one


def _line(line: str, head: list[str]) -> Iterator[str]:
    """A line of the text; ``head`` is the head of the table that it continues, empty outside one."""
    if _ANCHOR.fullmatch(line) or (line.startswith("|") and (not head or _SETTING.fullmatch(line))):
        return
    if line.startswith("|"):
        yield from _record(cells(line), head)
    elif line.startswith("#"):
        yield plain(line.lstrip("#").strip())
    elif line == "---":
        yield ""
    elif bullet := _BULLET.fullmatch(line):
        lead = f"{bullet[1]}{bullet[2]} "
        yield from _wrapped(plain(bullet[3]), lead, " " * len(lead))
    else:
        yield from _wrapped(plain(line), "", "")


def _record(row: list[str], head: list[str]) -> Iterator[str]:
    yield ""
    yield from _wrapped(plain(row[0]) or "-", "", "  ")
    for name, cell in zip(head[1:], row[1:], strict=False):
        if cell:
            yield from _wrapped(f"{plain(name)}: {plain(cell)}" if name else plain(cell), "  ", "    ")


def _wrapped(text: str, first: str, later: str) -> list[str]:
    lines = textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [""]
