"""A site that was looked at once, for items and for the tests of a team."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from kedoctor.base.errors import ExitCode, UsageError
from kedoctor.judge.fact_evaluation import Context, contexts
from kedoctor.judge.registry import Scope
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import require
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.report import SafeReport, Verdict
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.report.baseline import read_baseline
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import LiveOptions, SiteSession, bundled_site, live_site

__all__ = ["GateOptions", "LookedAt", "look"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What to look at: bundles, a demo site, or (neither) this machine and its cluster.

    And which checks and edges, and the baseline of what is accepted.
    """

    bundles: tuple[Path, ...] = ()
    demo: str = ""
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    baseline: Path | None = None


class LookedAt:
    """A site, its report, and the facts behind it; facts are made from what was read for the report."""

    def __init__(self, plugins: Plugins, site: SiteSession, report: SafeReport) -> None:
        self.report = report
        self._plugins = plugins
        self._site, self._hosts = contexts(plugins.registry, site.view)

    def verdicts(self, name: str = "") -> list[Verdict]:
        """The verdicts of a check, by its code or slug; without a name all of them."""
        wanted = name.lower()
        return [one for one in self.report.verdicts if not name or wanted in (one.code.lower(), one.slug)]

    def fact(self, wanted: type[T], host: str = "") -> T:
        """A fact of the site, or of a host of it.

        Raises:
            MissingError: what it is made from could not be read; the message says why.
            FactCrashError: its own code broke.
            LookupError: no fact provides it, or it is a fact of hosts and it is not clear which.
        """
        return require(self._made(wanted, self._context(wanted, host)))

    def facts(self, wanted: type[T]) -> dict[str, T | Unavailable]:
        """A fact of every host in view, by the host's name; :class:`Unavailable` where it could not be made."""
        return {name: self._made(wanted, context) for name, context in self._hosts.items()}

    def _made(self, wanted: type[T], context: Context) -> T | Unavailable:
        return cast("T | Unavailable", context.fact(wanted))

    def _context(self, wanted: type[Any], host: str) -> Context:
        node = self._plugins.registry.facts.get(wanted)
        if node is None:
            raise LookupError(f"no fact provides {wanted.__name__} as a fact")
        if node.scope is not Scope.HOST:
            return self._site
        if not host and len(self._hosts) == 1:
            return next(iter(self._hosts.values()))
        if host not in self._hosts:
            seen = ", ".join(self._hosts) or "none"
            raise LookupError(f"{wanted.__name__} is a fact of a host; name one of those in view: {seen}")
        return self._hosts[host]


def look(wish: GateOptions, command: str) -> LookedAt:
    """Looks at the site, once.

    Raises:
        KedoctorError: a bundle, a kubeconfig or a name is not usable.
        KeyboardInterrupt: a person ended it.
    """
    plugins = load_plugins()
    question = RunRequest(
        selection=Selection(wish.only, wish.skip),
        nodes=wish.nodes,
        baseline=read_baseline(wish.baseline, plugins.registry) if wish.baseline else None,
        command=command,
        demo=bool(wish.demo),
    )
    # A mistyped code is told before anything is looked at.
    question.selection.checks(plugins.registry, plugins.symptoms())
    site = _open(plugins, wish)
    report = diagnose_site(plugins, site, question)
    if report.run.exit_code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    return LookedAt(plugins, site, report)


def _open(plugins: Plugins, wish: GateOptions) -> SiteSession:
    if wish.demo and wish.bundles:
        raise UsageError("a demo site and a bundle exclude each other")
    paths: Sequence[Path] = wish.bundles
    if wish.demo:
        demos = plugins.demos()
        if wish.demo not in demos:
            raise UsageError(
                f"there is no recorded site {wish.demo!r}", hint=f"there are: {', '.join(demos)}"
            )
        paths = demos[wish.demo]
    return bundled_site(paths) if paths else live_site(plugins, LiveOptions())
