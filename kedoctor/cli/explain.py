"""``kedoctor explain``."""

from __future__ import annotations

import stat
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

import click

from kedoctor import patterns
from kedoctor.base.errors import ExitCode, UsageError
from kedoctor.base.markdown import blocks
from kedoctor.base.records import encode_pretty
from kedoctor.base.text import Text
from kedoctor.cli import options, telling
from kedoctor.cli.check_pages import page_of, parted
from kedoctor.cli.log_input import lines_of
from kedoctor.cli.page_text import painted_page
from kedoctor.cli.reference_text import listed, shown
from kedoctor.model.explanations import Explanation, SuspectedCause
from kedoctor.model.findings import Certainty
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.redaction.documents import LONGEST_TEXT, DocumentRedactor
from kedoctor.sources.library import CitationError

__all__ = ["command"]

_WIDTH = 100
_STATEMENTS = 6
_PASTED = 400
"""Lines; who pastes a text pastes fewer."""
_ONE_WORD = patterns.compiled(r"[A-Za-z0-9][\w-]*")
# A place in a document as it is cited, and its name as it is typed where there is no sign for a section.
_PLACE = patterns.compiled(r"[a-z][a-z-]*\.md(?: ?§.*| [a-z]+ \w+| [A-Z]\d+)?")
_UNMARKED = patterns.compiled(r"^([a-z][a-z-]*?)(?:\.md)? ?§? ?(?=\d+(?:\.\d+)*(?: \(|$))")

_CAUSES = Text("Likely causes, most likely first:", zh="可能的原因，可能性由高到低：")
_NO_CAUSES = Text(
    "No cause was found in this text. Try: kedoctor run --symptom logs",
    zh="未能从文本中识别原因。可执行：kedoctor run --symptom logs",
)
_DECIDES = Text("To confirm, run:", zh="如何确认：")
_ALSO = Text("Also said:", zh="其他内容：")
_PROVED = Text("the text says so", zh="文本已说明")
_NOISE = Text("noise", zh="噪声")
_OVER = Text("over since", zh="之后已恢复")
_LABELS = {
    "speaker": Text("source", zh="来源"),
    "where": Text("target", zh="目标"),
    "port": Text("port", zh="端口"),
    "leg": Text("segment", zh="链路段"),
    "error": Text("error", zh="错误"),
    "hop": Text("hop", zh="环节"),
}
_SIDES = {
    "site": Text("where kubectl works", zh="在可用 kubectl 处"),
    "cloud": Text("on the API server's host", zh="在 API 服务器主机上"),
    "edge": Text("on the edge", zh="在边缘节点上"),
    "host": Text("on that host", zh="在该主机上"),
}
_READ = Text(
    "{lines} lines read, {unrecognised} error lines not recognised",
    zh="共读取 {lines} 行，其中 {unrecognised} 行错误未识别",
)


@click.command()
@click.argument("text", nargs=-1, metavar="CODE | TEXT")
@click.option(
    "-f",
    "--file",
    "path",
    metavar="FILE",
    help="Explain a log file instead, gzipped or not; - reads standard input.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["terminal", "json"]),
    default="terminal",
    help="How to print it.",
    show_default=True,
)
@click.option(
    "--reference",
    "cited",
    metavar="PLACE",
    help='Print a section of a reference document instead, such as "facts.md §3.5" or "facts.md 3.5".',
)
@options.language_option
def command(
    *, text: tuple[str, ...], path: str | None, format_name: str, cited: str | None, lang: str | None
) -> int:
    """Explain a check by its code or name, or an error text or log: what failed and the likely causes.

    A check: symptom, meaning, how to see it yourself, remedy, references. A text that kubectl, keadm, cloudcore, edgecore,
    metrics-server or the API server printed (quote it, or give it with -f or through a pipe): what it means, where it
    failed, the likeliest causes, and which checks confirm them.
    """
    if path and text:
        raise UsageError("give a text or a file, not both")
    if cited is not None and (path or text):
        raise UsageError("give a text or --reference, not both")
    plugins = load_plugins()
    language = options.language(lang)
    if cited is not None:
        _print_section(plugins, cited, language, format_name)
        return ExitCode.OK
    words = " ".join(text)
    if _PLACE.fullmatch(words):
        _print_section(plugins, words, language, format_name)
        return ExitCode.OK
    if _ONE_WORD.fullmatch(words) and _shown_page(plugins, words, language, format_name):
        return ExitCode.OK
    answer = plugins.explain(_without_secrets(_source(words, path, given=bool(text))))
    if answer is None:
        raise UsageError("no plugin explains texts")
    if _ONE_WORD.fullmatch(words) and not answer.causes and not answer.benign:
        raise UsageError(f"there is no check {words!r}", hint="kedoctor list shows every code and name")
    # Pasted lines hold tokens and keys, and what is printed here is often passed on.
    answer = DocumentRedactor().record(answer)
    if format_name == "json":
        telling.document(answer)
    else:
        for line in _told(answer, language, _hops(plugins, language)):
            telling.say(line)
    return ExitCode.OK if answer.causes or answer.benign else ExitCode.UNDETERMINED


def _source(words: str, path: str | None, *, given: bool) -> Iterable[str]:
    if path:
        return lines_of(path)
    if words == "-":
        return lines_of("-")
    if given:
        return words.split("\n")
    if _is_fed():
        return lines_of("-")
    raise UsageError(
        "nothing to explain", hint="give a code, a text in quotes, -f FILE, or pipe something in"
    )


def _without_secrets(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a pasted text without secrets, also those that lie over several lines; a long log is left as it is.

    Of a log single lines are shown, and each of them is redacted then.
    """
    source = iter(lines)
    first = [*islice(source, _PASTED)]
    if len(first) < _PASTED and sum(map(len, first)) + len(first) < LONGEST_TEXT:
        yield from telling.safe("\n".join(first)).split("\n") if first else ()
        return
    yield from first
    yield from source


def _is_fed() -> bool:
    """Whether standard input is a pipe or a file that somebody put there."""
    try:
        mode = stat.S_IFMT(_status_of_input())
    except (OSError, ValueError):
        return False
    return mode in (stat.S_IFIFO, stat.S_IFREG)


def _status_of_input() -> int:
    import os  # noqa: PLC0415  only this question needs it

    return os.fstat(sys.stdin.fileno()).st_mode


def _shown_page(plugins: Plugins, word: str, language: str, format_name: str) -> bool:
    """Prints the page of a check called by code or name; false if there is no such check."""
    code = word.upper()
    page = page_of(plugins, code, language)
    if page is None and word == word.lower():
        # Names are known to the checks only, and these are imported only now: a code is explained at once.
        by_slug = {node.check.slug: name for name, node in plugins.registry.checks.items()}
        code = by_slug.get(word, "")
        page = page_of(plugins, code, language)
    if page is None:
        return False
    explained, heading, cited = parted(page)
    references = plugins.library.resolved([cited])
    if format_name == "json":
        document = {"code": code, "language": language, "page": page.rstrip(), "references": references}
        telling.show(encode_pretty(document), nl=False)
        return True
    # What a plugin refers to in words of its own is shown as it stands.
    shown_blocks = blocks(explained if references else page)
    presentation = options.present(language, to_file=False, verbose=False)
    hops = _hops(plugins, language)
    telling.show(
        painted_page(shown_blocks, code, plugins.registry, hops, presentation).rstrip(b"\n"),
    )
    if references:
        telling.show(f"\n{heading.removeprefix('## ')}\n")
    for line in listed(references, language):
        telling.show(line)
    return True


def _print_section(plugins: Plugins, words: str, language: str, format_name: str) -> None:
    library = plugins.library
    wanted = _UNMARKED.sub(r"\1.md §", words.strip(), count=1)
    citations = library.citations(wanted)
    if len(citations) != 1 or library.unread(wanted):
        hint = f"documents: {', '.join(library.documents)}; kedoctor explain --reference facts.md lists its sections"
        raise UsageError(f"{words!r} names no section of a reference document", hint=hint)
    try:
        section = library.section(citations[0])
    except CitationError as error:
        hint = f"kedoctor explain --reference {citations[0].document} lists its sections"
        raise UsageError(str(error), hint=hint) from error
    if format_name == "json":
        telling.show(encode_pretty(section), nl=False)
        return
    for line in shown(section, language):
        telling.show(line)


def _hops(plugins: Plugins, language: str) -> dict[str, str]:
    return {
        name: title.in_language(language) for path in plugins.paths() for name, title in path.hops.items()
    }


def _told(answer: Explanation, language: str, hops: dict[str, str]) -> Iterator[str]:
    yield from _wrapped(answer.zh.meaning if language == "zh" else answer.meaning)
    parts = list(_parts(answer, language, hops))
    if parts:
        yield ""
        yield from parts
    yield ""
    yield from _causes(answer, language, hops)
    yield from _statements(answer, language)
    if answer.lines > 1:
        yield ""
        yield _READ.in_language(language).format(
            lines=f"{answer.lines:,}", unrecognised=f"{answer.unrecognised:,}"
        )


def _parts(answer: Explanation, language: str, hops: dict[str, str]) -> Iterator[str]:
    parts = answer.parts
    notes = {note.part: note.zh.meaning if language == "zh" else note.meaning for note in parts.notes}
    where = f"{parts.host}:{parts.port}" if parts.host and parts.port else parts.host
    said = " ".join(word for word in (parts.speaker, parts.source) if word)
    rows = (
        ("speaker", said),
        ("where", where),
        ("port", f"{parts.port}: {notes['port']}" if "port" in notes else ""),
        ("leg", notes.get("leg", "")),
        ("error", notes.get("error", "")),
        ("hop", hops.get(answer.hop, "")),
    )
    for name, value in rows:
        if value:
            yield from _labelled(_LABELS[name].in_language(language), value)


def _causes(answer: Explanation, language: str, hops: dict[str, str]) -> Iterator[str]:
    if not answer.causes:
        if not answer.benign:
            yield _NO_CAUSES.in_language(language)
        return
    yield _CAUSES.in_language(language)
    for number, cause in enumerate(answer.causes, start=1):
        summary = cause.zh.summary if language == "zh" else cause.summary
        proved = f" ({_PROVED.in_language(language)})" if cause.certainty is Certainty.PROVED else ""
        where = f" [{hops[cause.hop]}]" if cause.hop in hops else ""
        yield f"  {number}. {cause.code} {cause.slug}{proved}{where}"
        yield from _wrapped(summary, indent=5)
    yield ""
    yield _DECIDES.in_language(language)
    yield from _commands(answer.causes, language)


def _commands(causes: tuple[SuspectedCause, ...], language: str) -> Iterator[str]:
    first = causes[:4]
    for side, group in groupby(sorted(first, key=lambda cause: cause.side), key=lambda cause: cause.side):
        only = " ".join(f"--only {cause.code}" for cause in group)
        yield f"  sudo kedoctor run {only}    # {_SIDES[side].in_language(language)}"
    yield f"  kedoctor explain {causes[0].code}"


def _statements(answer: Explanation, language: str) -> Iterator[str]:
    others = [one for one in answer.statements if one.text != answer.parts.text][:_STATEMENTS]
    if not others:
        return
    yield ""
    yield _ALSO.in_language(language)
    for one in others:
        marks = [_NOISE] if one.benign else [_OVER] if one.over else []
        mark = "".join(f" [{text.in_language(language)}]" for text in marks)
        meaning = one.zh.meaning if language == "zh" else one.meaning
        quote = one.text if len(one.text) <= 120 else one.text[:117] + "..."
        yield f"  {one.count}x {quote}"
        yield from _wrapped(meaning + mark, indent=5)


def _labelled(label: str, value: str) -> Iterator[str]:
    lines = list(_wrapped(value, indent=12))
    width = 10 - sum(1 for sign in label if ord(sign) > 0x2E80)  # Chinese characters are two columns wide
    yield f"  {label:{width}}{lines[0].strip()}"
    yield from lines[1:]


def _wrapped(text: str, indent: int = 0) -> list[str]:
    room = min(_WIDTH, options.present(None, to_file=False, verbose=False).width) - indent
    if any(ord(sign) > 0x2E80 for sign in text):  # no spaces to break at; the terminal wraps
        return [" " * indent + text]
    return textwrap.wrap(
        text, room + indent, initial_indent=" " * indent, subsequent_indent=" " * indent
    ) or [""]
