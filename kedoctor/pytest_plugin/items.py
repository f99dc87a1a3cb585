"""Verdicts as items of pytest.

The site is looked at while items are collected, because only then it is known what there is to judge. A verdict is
told by an item: right and wrong as passed and failed, a warning as a warning, what does not apply as skipped, and
what could not be found out as an error, because a gate must not be green about it.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kedoctor.base.errors import KedoctorError
from kedoctor.base.text import Text, language_of
from kedoctor.model.findings import Evidence, Status
from kedoctor.model.report import Verdict
from kedoctor.pytest_plugin.site import GateOptions, LookedAt, look
from kedoctor.redaction.documents import DocumentRedactor

__all__ = ["Gate", "SiteWarning", "site_of"]

_SITE = pytest.StashKey[LookedAt]()
_FOLDER = "kedoctor"
_LABELS = {
    "breaks": Text("breaks", zh="影响"),
    "found": Text("found", zh="实际"),
    "expected": Text("expected", zh="应为"),
    "read": Text("read", zh="依据"),
    "do": Text("do this", zh="处理"),
    "follows": Text("follows from", zh="起因"),
    "more": Text("more", zh="详情"),
    "accepted": Text(
        "accepted until {until} by {owner}: {reason}", zh="{owner} 已接受，截至 {until}：{reason}"
    ),
    "incomplete": Text(
        "The run ended early: some things were not looked at.", zh="运行提前结束：有些内容未能检查。"
    ),
}


class SiteWarning(pytest.PytestWarning):
    """Something about the site is not right and breaks nothing now."""


class Gate:
    """The plugin that is there only with ``--kedoctor``."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Adds the items of the site, before anybody selects among items or marks them."""
        items.extend(
            _Verdicts.from_parent(session, name=_FOLDER, nodeid=_FOLDER, site=site_of(config)).collect()
        )

    def pytest_report_header(self, config: pytest.Config) -> str:
        """Says what is looked at; the site has not been touched yet."""
        wish = _wish(config)
        seen = wish.demo or ", ".join(path.name for path in wish.bundles) or "this machine and its cluster"
        return f"kedoctor: {seen}"


def site_of(config: pytest.Config) -> LookedAt:
    """The site, looked at when first asked for.

    Raises:
        UsageError: it cannot be looked at as asked.
    """
    if _SITE not in config.stash:
        try:
            config.stash[_SITE] = look(_wish(config), "pytest --kedoctor")
        except KedoctorError as error:
            said = f"kedoctor: {error}" + (f"\n  {error.hint}" if error.hint else "")
            # Without the error itself, whose words pytest would show as they are.
            raise pytest.UsageError(DocumentRedactor().text(said)) from None
    return config.stash[_SITE]


def _wish(config: pytest.Config) -> GateOptions:
    base, baseline = config.invocation_params.dir, config.getoption("kedoctor_baseline")
    return GateOptions(
        bundles=tuple(base / path for path in config.getoption("kedoctor_bundle")),
        demo=config.getoption("kedoctor_demo") or "",
        only=tuple(config.getoption("kedoctor_only")),
        skip=tuple(config.getoption("kedoctor_skip")),
        nodes=tuple(config.getoption("kedoctor_node")),
        baseline=base / baseline if baseline else None,
    )


class _Verdicts(pytest.Collector):
    """All items of the site."""

    def __init__(self, *, site: LookedAt, **rest: Any) -> None:
        super().__init__(**rest)
        self._looked_at = site
        self.language = self.config.getoption("kedoctor_lang") or language_of(os.environ)

    def collect(self) -> Iterator[pytest.Item]:
        """An item for the run, and one for each verdict."""
        report = self._looked_at.report
        name = "run-complete"
        yield _Run.from_parent(self, name=name, nodeid=self.in_full(name), complete=report.run.complete)
        seen: Counter[str] = Counter()
        for one in report.verdicts:
            host = f"{one.host}:" if one.host and one.host != one.subject else ""
            name = _printable(f"{one.code}[{host}{one.subject}]")
            seen[name] += 1
            if seen[name] > 1:
                name = f"{name[:-1]}#{seen[name]}]"
            yield _Judged.from_parent(self, name=name, nodeid=self.in_full(name), verdict=one)

    def in_full(self, name: str) -> str:
        """The name of an item for all of pytest, which would else not know it again (``--last-failed``)."""
        return f"{_FOLDER}::{name}"


class _Told(pytest.Item):
    """What all items have in common: a language, and words instead of tracebacks."""

    parent: _Verdicts

    def word(self, key: str) -> str:
        return _LABELS[key].in_language(self.parent.language)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is said to be: nowhere in a file."""
        return self.config.rootpath / _FOLDER, 0, self.name


class _Run(_Told):
    """That the run came to its end; else a run cut short could look green."""

    def __init__(self, *, complete: bool, **rest: Any) -> None:
        super().__init__(**rest)
        self._complete = complete

    def setup(self) -> None:
        """An error if it did not."""
        if not self._complete:
            pytest.fail(self.word("incomplete"), pytrace=False)

    def runtest(self) -> None:
        """Nothing more."""


class _Judged(_Told):
    """One verdict."""

    def __init__(self, *, verdict: Verdict, **rest: Any) -> None:
        super().__init__(**rest)
        self.verdict = verdict
        told = {
            name: str(getattr(verdict, name)) for name in ("code", "slug", "side", "host", "node", "status")
        }
        self.add_marker(pytest.mark.kedoctor(**told))
        self.extra_keyword_matches |= {verdict.slug, verdict.code, verdict.side, *verdict.capabilities}
        self.user_properties += [(f"kedoctor.{name}", value) for name, value in told.items() if value]
        if verdict.status in (Status.SKIP, Status.BLOCKED, Status.ACCEPTED) or self._beside():
            self.add_marker(pytest.mark.skip(reason=f"{verdict.code}: {self._summary()}{self._accepted()}"))

    def _beside(self) -> bool:
        """Whether it is unknown and nothing depends on it; it does not change the exit code of a run either."""
        return self.verdict.status is Status.UNKNOWN and not self.verdict.capabilities

    def setup(self) -> None:
        """An error for what could not be found out."""
        if self.verdict.status in (Status.UNKNOWN, Status.CRASHED, Status.SETTLING):
            pytest.fail(self._told(), pytrace=False)

    def runtest(self) -> None:
        """A failure or a warning, if it is one."""
        if self.verdict.status is Status.FAIL:
            pytest.fail(self._told(), pytrace=False)
        if self.verdict.status is Status.WARN:
            try:
                warnings.warn_explicit(SiteWarning(self._told()), None, _FOLDER, 1)
            except SiteWarning as strict:  # where filterwarnings makes errors of warnings
                pytest.fail(str(strict), pytrace=False)

    # -------------------------------------------------------------------------------------------- words

    def _summary(self) -> str:
        verdict = self.verdict
        return _printable((verdict.zh.summary if self.parent.language == "zh" else "") or verdict.summary)

    def _accepted(self) -> str:
        told = self.verdict.accepted
        if told is None:
            return ""
        return f" ({self.word('accepted').format(until=told.until, owner=told.owner, reason=told.reason)})"

    def _told(self) -> str:
        return _printable("\n".join([f"{self.verdict.code}: {self._summary()}", *self._lines()]))

    def _lines(self) -> Iterator[str]:
        verdict, chinese = self.verdict, self.parent.language == "zh"
        rows = [
            ("breaks", ", ".join(verdict.capabilities)),
            ("found", verdict.actual),
            ("expected", (verdict.zh.expected if chinese else "") or verdict.expected),
            *(("read", _quoted(one)) for one in verdict.evidence[:5]),
            ("do", (verdict.zh.hint if chinese else "") or verdict.hint.text),
        ]
        yield from (f"  {self.word(key)}: {text}" for key, text in rows if text)
        yield from (f"    $ {typed}" for typed in verdict.hint.commands)
        if verdict.explained_by:
            yield f"  {self.word('follows')}: {' '.join(verdict.explained_by)}"
        yield f"  {self.word('more')}: kedoctor explain {verdict.code}"


def _quoted(evidence: Evidence) -> str:
    line = f":{evidence.line}" if evidence.line else ""
    excerpt = evidence.excerpt.strip()
    return f"{evidence.source}{line}: {excerpt}" if excerpt else f"{evidence.source}{line}"


def _printable(text: str) -> str:
    """Without what would move the cursor of a terminal."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)
