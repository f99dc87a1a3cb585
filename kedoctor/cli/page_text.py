"""The page of a check as a terminal shows it: headings, tables and lists, wrapped, with what the check declares on top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kedoctor.base.markdown import Block, Code, Heading, Items, Paragraph, Span
from kedoctor.base.markdown import Table as Rows
from kedoctor.base.screen import Group, Line, Padding, RenderableType, Runs, Styled, Table, paint
from kedoctor.base.text import Text
from kedoctor.cli.prompts import risk_words
from kedoctor.judge.registry import Registry
from kedoctor.model.declarations import Check, Side
from kedoctor.model.report_format import Presentation

__all__ = ["painted_page"]

_WIDEST = 100
_NARROW = 64
_STYLES = {"code": "cyan", "strong": "bold", "em": "italic"}

_BREAKS = Text("breaks", zh="影响")
_NOTHING = Text("nothing by itself", zh="本身不影响使用")
_WHERE = Text("judged", zh="检查位置")
_HOP = Text("hop", zh="环节")
_FIX = Text("--fix", zh="--fix")
_NO_FIX = Text("does nothing: a person has to decide", zh="不处理：需由人决定")
_REPAIRS = Text("repairs it", zh="可自动修复")
_CURE = Text("remedy", zh="处理")
_SIDES = {
    Side.SITE: Text("where kubectl works", zh="在可用 kubectl 处"),
    Side.CLOUD: Text("on the API server's host", zh="在 API 服务器主机上"),
    Side.EDGE: Text("on the edge host", zh="在边缘节点主机上"),
    Side.HOST: Text("on each host", zh="在每台主机上"),
}


def painted_page(
    blocks: Iterable[Block], code: str, registry: Registry, hops: dict[str, str], presentation: Presentation
) -> bytes:
    """The page; ``hops`` are the titles of hops by their names."""
    width = min(_WIDEST, presentation.width)
    shown = [*blocks]
    title = [shown.pop(0)] if shown and isinstance(shown[0], Heading) else []
    node = registry.checks.get(code)
    declared = [_declared(node.check, registry, hops, presentation)] if node else []
    parts = [*_parts(title, presentation), *declared, *_parts(shown, presentation)]
    return paint(Group(*parts), width=width, colour=presentation.colour)


def _declared(
    check: Check, registry: Registry, hops: dict[str, str], presentation: Presentation
) -> RenderableType:
    language = presentation.language
    remedy = registry.remedies.get(check.code)
    effect = _NO_FIX.in_language(language)
    if remedy is not None:
        parts = [_REPAIRS, *([risk_words(check.risk)] if check.risk else [])]
        effect = ("；" if language == "zh" else "; ").join(one.in_language(language) for one in parts)
    rows = [
        (_BREAKS, ", ".join(check.breaks) or _NOTHING.in_language(language)),
        (_WHERE, _SIDES[check.side].in_language(language)),
        (_HOP, hops.get(check.hop, "")),
        (_CURE, check.remedy.in_language(language) if check.remedy else ""),
        (_FIX, effect),
    ]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, value in rows:
        if value:
            table.add_row(label.in_language(language), Styled(value))
    return Padding(table, (0, 0, 1, 0))


def _parts(
    blocks: Iterable[Block], presentation: Presentation, *, tight: bool = False
) -> Iterator[RenderableType]:
    for block in blocks:
        if isinstance(block, Heading):
            yield _line(block.spans, presentation, "bold underline" if block.level == 1 else "bold")
        elif isinstance(block, Paragraph):
            yield _line(block.spans, presentation)
        elif isinstance(block, Code):
            # Never broken: what is copied from it is one command.
            yield from (Line(f"    {line}", style="cyan") for line in block.text.splitlines())
        elif isinstance(block, Items):
            yield _items(block, presentation)
        elif presentation.width < _NARROW:
            yield from _records(block, presentation)
        else:
            yield _table(block, presentation)
        if not tight:
            yield Styled("")


def _line(spans: Iterable[Span], presentation: Presentation, style: str = "") -> RenderableType:
    return Runs([_run(span, presentation, style) for span in spans])


def _run(span: Span, presentation: Presentation, style: str) -> tuple[str, str]:
    # Where no colour shows what is code, the signs of the page do.
    text = f"`{span.text}`" if span.style == "code" and not presentation.colour else span.text
    return text, " ".join(filter(None, (style, _STYLES.get(span.style, ""))))


def _items(block: Items, presentation: Presentation) -> RenderableType:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for number, item in enumerate(block.items, 1):
        mark = f"{number}." if block.ordered else "*"
        table.add_row(Styled(mark), Group(*_parts(item, presentation, tight=True)))
    return table


def _table(block: Rows, presentation: Presentation) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for cell in block.head:
        table.add_column(_line(cell, presentation, "bold"))
    for row in block.rows:
        table.add_row(*(_line(cell, presentation) for cell in row))
    return table


def _records(block: Rows, presentation: Presentation) -> Iterator[RenderableType]:
    """A table where it does not fit: each row as lines of their own."""
    for row in block.rows:
        for head, cell in zip(block.head, row, strict=False):
            label = "".join(span.text for span in head)
            begins = [Span(f"{label}: ", "strong")] if label else []
            yield _line([*begins, *cell], presentation)
        yield Styled("")
