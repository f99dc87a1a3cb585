"""Puts what was found into words: the sentences of an :class:`~kedoctor.api.Explanation`, English and Chinese."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kedoctor.api import Explanation, InChinese, Note, Parts, Statement, SuspectedCause, Text, patterns
from kedoctor.checks.explain.parse import ErrorText, family_of, host_kind
from kedoctor.checks.explain.ranking import Candidate, Match
from kedoctor.checks.parsers.logs.message_table import Knowledge
from kedoctor.checks.parsers.logs.message_text import filled

__all__ = ["explanation"]

_MOST = 40  # statements listed
_QUOTE = 400  # characters of a line quoted

# Words that are written small also at the beginning of a sentence.
_NAMES = {
    *("cloudcore", "edgecore", "edged", "keadm", "kubectl", "systemd", "metrics-server", "iptables-manager"),
    *("top", "logs", "exec", "nodeIP", "kube-apiserver"),
}
_SMALL = patterns.compiled(r"[a-z]+\b(?![.\w-])")
_TIGHT = patterns.compiled(r"(?<=\d)(?=[\u4e00-\u9fff])")
_NOTHING = Text("the error was not recognised", zh="未识别该错误")
_NOISE = Text(
    "this is noise: nothing here is a cause, whatever does not work",
    zh="这是正常噪声：无论什么不工作，这里都不是原因",
)
_OVER = Text("what failed here worked again later", zh="此处的失败之后已恢复")


_CUT = Text(
    "Lines here are cut off: show them whole with `journalctl -u edgecore --no-pager -l`.",
    zh="此处的行被截断：用 `journalctl -u edgecore --no-pager -l` 查看完整内容。",
)


def explanation(
    suspects: Sequence[Candidate],
    told: Sequence[Match],
    table: Knowledge,
    *,
    lines: int,
    unrecognised: int,
    cut: bool = False,
) -> Explanation:
    """The explanation, of which the first suspect's text gives meaning, hop and parts; ``cut`` lines are told."""
    main = _main(suspects, told)
    causes = tuple(_cause(one, table) for one in suspects)
    quiet = not suspects and bool(told) and not unrecognised
    benign = quiet and all(one.over or _is_harmless(one) for one in told)
    meaning = _sentence(_headline(suspects, main, benign=benign))
    if cut:
        meaning = Text(f"{meaning.en} {_CUT.en}", zh=f"{meaning.zh}{_CUT.zh}")
    return Explanation(
        benign=benign,
        meaning=meaning.en,
        hop=_hop(main, causes),
        causes=causes,
        parts=_parts(main) if main else Parts(),
        statements=_statements(told),
        lines=lines,
        unrecognised=unrecognised,
        zh=InChinese(meaning=meaning.zh),
    )


def _is_harmless(one: Match) -> bool:
    """Whether a text is not a fault: noise, success, or a program's remark that only matters beside a fault."""
    return one.tells in ("benign", "ok", "works") or (
        one.tells == "context" and one.message is not None and not one.message.of_people
    )


def _main(suspects: Sequence[Candidate], told: Sequence[Match]) -> Match | None:
    """The text that says most: what points at the first suspect, else the newest that is recognised."""
    if suspects and suspects[0].strongest.told:
        return suspects[0].strongest.told
    if works := [one for one in told if one.tells == "works"]:
        return works[-1]
    weighty = [one for one in told if one.tells not in ("ok", "benign")] or list(told)
    return max(weighty, key=lambda one: one.place, default=None)


def _headline(suspects: Sequence[Candidate], main: Match | None, *, benign: bool) -> Text:
    if suspects and suspects[0].strongest.meaning:
        return suspects[0].strongest.meaning
    if suspects and main:
        return _meaning(main)
    if benign and main:
        return _OVER if main.over else _meaning(main) if main.tells in ("benign", "works") else _NOISE
    return _meaning(main) if main and not benign else _NOTHING


def _hop(main: Match | None, causes: Sequence[SuspectedCause]) -> str:
    if main and main.parts.leg:
        return main.parts.leg.hop
    return causes[0].hop if causes else ""


def _cause(suspect: Candidate, table: Knowledge) -> SuspectedCause:
    info = table.codes[suspect.code]
    pointer = suspect.strongest
    values = _values(pointer.told) if pointer.told else {}
    summary = filled(info.why, values)
    said = pointer.meaning or (_meaning(pointer.told) if pointer.told else summary)
    why = _sentence(Text(f"{said.en}; {summary.en}", zh=f"{said.zh}；{summary.zh}"))
    summary = _sentence(summary)
    return SuspectedCause(
        code=info.code,
        slug=info.slug,
        hop=info.hop,
        side=info.side,
        certainty=suspect.certainty,
        summary=summary.en,
        why=why.en,
        line=pointer.told.sample.last if pointer.told else 0,
        zh=InChinese(summary=summary.zh, why=why.zh),
    )


def _meaning(told: Match) -> Text:
    """What a text means: the message's sentence, and the kind of error at its end."""
    values = _values(told)
    error = told.parts.error
    said = told.message.meaning if told.message else told.parts.leg.meaning if told.parts.leg else None
    if told.message and (told.message.codes or told.tells in ("benign", "ok", "works", "aside")):
        error = None  # the sentence is about the error already
    texts = [filled(text, values) for text in (said, error and error.meaning) if text]
    return Text(": ".join(text.en for text in texts), zh="：".join(text.zh for text in texts))


def _values(told: Match) -> dict[str, Text]:
    parts = told.parts
    named: dict[str, str] = {**parts.values, **told.values}
    if parts.endpoint.host:
        named.setdefault("host", parts.endpoint.host)
    if "wanted" in named and "host" not in named:
        named["host"] = named["wanted"]
    values = {name: Text(value, zh=value) for name, value in named.items() if value}
    if number := parts.endpoint.port:
        values["port"] = Text(f"port {number}", zh=f"端口 {number}")
    return values


def _sentence(text: Text) -> Text:
    """A whole sentence: with a capital, unless a name stands first, and a full stop."""
    en = text.en if text.en.endswith(".") else text.en + "."
    first = _SMALL.match(en)
    if first and first[0] not in _NAMES:
        en = en[0].upper() + en[1:]
    zh = _TIGHT.sub(" ", text.zh)
    return Text(en, zh=zh if zh.endswith("。") else zh + "。")


def _parts(told: Match) -> Parts:
    parts = told.parts
    end, error = parts.endpoint, parts.error
    component = told.message.component if told.message else ""
    refused_by = {"self": "speaker", "peer": "peer"}.get(error.tls, "") if error else ""
    return Parts(
        speaker=parts.speaker or ("" if component in ("any", "person") else component),
        severity=parts.line.severity,
        source=parts.line.source,
        text=_quote(told),
        leg=parts.leg.name if parts.leg and not _guessed(told) else "",
        host=end.host,
        host_kind=host_kind(end.host),
        family=family_of(end.host),
        port=end.port,
        path=end.path,
        error=error.kind if error else "",
        tls_refused_by=refused_by,
        status=error.status if error else None,
        notes=tuple(note for note in _notes(parts) if note.part != "leg" or not _guessed(told)),
    )


def _guessed(told: Match) -> bool:
    """Whether the leg is only the fallback (any connection), beside a message that says better what is meant."""
    return told.message is not None and told.parts.leg is not None and told.parts.leg.name == "any"


def _notes(parts: ErrorText) -> list[Note]:
    values = {name: Text(value, zh=value) for name, value in parts.values.items()}
    told = {
        "port": parts.port.meaning if parts.port else None,
        "leg": parts.leg.meaning if parts.leg else None,
        "error": parts.error.meaning if parts.error else None,
    }
    if number := parts.endpoint.port:
        values["port"] = Text(f"port {number}", zh=f"端口 {number}")
    texts = {part: filled(text, values) for part, text in told.items() if text}
    return [Note(part, text.en, InChinese(meaning=_TIGHT.sub(" ", text.zh))) for part, text in texts.items()]


def _statements(told: Sequence[Match]) -> tuple[Statement, ...]:
    """What was recognised, what matters first, each meaning once."""
    order = {
        "cause": 0,
        "sign": 1,
        "follows": 2,
        "start": 2,
        "context": 3,
        "works": 1,
        "aside": 3,
        "ok": 4,
        "benign": 5,
    }
    by_meaning: dict[tuple[object, bool], list[Match]] = defaultdict(list)
    for one in told:
        by_meaning[(one.message.meaning if one.message else _meaning(one), one.over)].append(one)
    groups = sorted(
        by_meaning.values(), key=lambda group: (group[0].over, order[group[0].tells], -_newest(group))
    )
    once = {_quote(group[-1]): group for group in reversed(groups)}  # of one text the weightiest meaning
    return tuple(_statement(group) for group in groups if once[_quote(group[-1])] is group)[:_MOST]


def _quote(one: Match) -> str:
    return one.parts.text.strip()[:_QUOTE]


def _newest(group: Sequence[Match]) -> int:
    return max(one.place for one in group)


def _statement(group: Sequence[Match]) -> Statement:
    newest = max(group, key=lambda one: one.place)
    meaning = _sentence(_meaning(newest))
    message = newest.message
    return Statement(
        text=_quote(newest),
        meaning=meaning.en,
        component=message.component if message else newest.parts.speaker,
        versions=message.versions if message else "",
        severity=newest.parts.line.severity or (message.severity if message else ""),
        benign=newest.tells == "benign",
        over=newest.over,
        count=sum({one.sample: one.sample.count for one in group}.values()),
        line=newest.sample.last,
        zh=InChinese(meaning=meaning.zh),
    )
