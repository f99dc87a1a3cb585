"""``kedoctor list CODE --why``: where a check is written, and everything that it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.base.code_places import place_of
from kedoctor.base.text import Text
from kedoctor.judge.provenance import closure, observations_behind
from kedoctor.judge.registry import Need, RegisteredCheck, facts_in
from kedoctor.observe.request_names import describe
from kedoctor.plugins import Plugins
from kedoctor.run.site import bundled_site

__all__ = ["reasons"]

_LABELS = {
    "written": Text("written in", zh="定义于"),
    "plugin": Text("plugin", zh="插件"),
    "side": Text("looks from", zh="检查位置"),
    "breaks": Text("breaks", zh="影响"),
    "builds": Text("builds on", zh="前置检查"),
    "explained": Text("explained by", zh="可由其解释"),
    "remedy": Text("repaired by", zh="修复代码"),
    "references": Text("references", zh="依据"),
    "judged": Text("judged on", zh="所用事实"),
    "behind": Text("and behind these", zh="其来源事实"),
    "asks": Text("asks", zh="读取"),
    "optional": Text("if it can be had", zh="可缺省"),
    "every": Text("of every host", zh="每台主机"),
}


def reasons(plugins: Plugins, node: RegisteredCheck, language: str) -> Iterator[str]:
    """The lines about one check."""
    check, words = node.check, {name: text.in_language(language) for name, text in _LABELS.items()}
    remedy = plugins.registry.remedies.get(check.code)
    rows = {
        "written": place_of(check.judge),
        "plugin": node.plugin,
        "side": check.side.value,
        "breaks": " ".join(check.breaks),
        "builds": " ".join(check.builds_on),
        "explained": " ".join(check.explained_by),
        "remedy": place_of(remedy.remedy.plan) if remedy else "",
        "references": "; ".join(check.references),
    }
    yield f"{check.code} {check.slug}: {check.title.in_language(language)}"
    width = max(len(words[name]) for name in rows)
    for name, value in rows.items():
        if value:
            yield f"  {words[name]:{width}}  {value}"
    yield from _facts(plugins, node, words)


def _facts(plugins: Plugins, node: RegisteredCheck, words: dict[str, str]) -> Iterator[str]:
    registry = plugins.registry
    own = list(facts_in(node.parameters))
    notes = {
        one.type: words["optional"] if one.optional else words["every"]
        for one in node.parameters
        if one.optional or one.need is Need.EVERY_HOST
    }
    asked = _asked(plugins, own)
    for heading, facts in (
        ("judged", own),
        ("behind", [one for one in closure(registry, own) if one not in own]),
    ):
        if facts:
            yield f"  {words[heading]}:"
        for wanted in facts:
            note = f" ({notes[wanted]})" if wanted in notes and heading == "judged" else ""
            yield f"    {wanted.__name__}{note}  {place_of(registry.facts[wanted].make)}"
            for question in asked.get(wanted, []):
                yield f"      {words['asks']} {question}"


def _asked(plugins: Plugins, facts: list[type]) -> dict[type, list[str]]:
    """What the facts ask on the recorded sites, in an operator's words."""
    found: dict[type, dict[str, None]] = {}
    for bundles in plugins.demos().values():
        site = bundled_site(bundles)
        for wanted, requests in observations_behind(plugins.registry, site.view, facts).items():
            found.setdefault(wanted, {}).update(dict.fromkeys(map(describe, requests)))
    return {wanted: list(questions) for wanted, questions in found.items()}
