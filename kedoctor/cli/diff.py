"""``kedoctor diff``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import ConfigurationError, ExitCode, UsageError
from kedoctor.base.input_files import read_plain
from kedoctor.base.records import RecordError
from kedoctor.base.text import Text
from kedoctor.cli import options, telling
from kedoctor.model.findings import STATUSES, Status
from kedoctor.model.report import SafeReport
from kedoctor.model.report_document import read_report
from kedoctor.model.settings import Difference
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.report import run_store
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import SiteSession, bundled_site
from kedoctor.snapshot.backup import MANIFEST, read_backup
from kedoctor.snapshot.collect_settings import settings_of
from kedoctor.snapshot.compare import Change, Comparison, compare, compare_settings, exit_code, unjudged
from kedoctor.snapshot.protection import protected, safe_values

__all__ = ["command"]

NOW = "now"
LATEST = "latest"
_GZIP = b"\x1f\x8b"
_VERDICTS, _VERSIONS = "verdicts", "versions"
_LONG = 120
_MAX_BYTES = 256 << 20

_WORDS = {
    "worse": Text("What got worse", zh="变差的项目"),
    "better": Text("What got better", zh="改善的项目"),
    "lost": Text("What could be judged before and cannot be now", zh="之前能判断、现在无法判断的项目"),
    "settings": Text("Settings that differ", zh="不同的设置"),
    "only_one": Text("Only one side holds, so not compared: {names}", zh="仅一侧存在，未比较：{names}"),
    "unjudged": Text("Unknown on either side, not compared: {n}", zh="两侧均未能判断，未比较：{n} 项"),
    "none": Text("not set", zh="未设置"),
    "absent": Text("no finding", zh="无"),
    "same": Text(
        "Nothing that was compared is different ({compared}).", zh="所比较的内容没有差异（{compared}）。"
    ),
    "nothing": Text(
        "These two have nothing in common that could be compared.", zh="两者没有可以比较的共同内容。"
    ),
    "verdicts": Text("verdicts", zh="检查结果"),
    "versions": Text("versions", zh="版本"),
}


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of the comparison: a report, settings, or both."""

    name: str
    report: SafeReport | None = None
    settings: dict[str, Mapping[str, str]] = field(default_factory=dict)


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B", default=NOW, required=False)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["terminal", "json"]),
    default="terminal",
    show_default=True,
    help="How to print it.",
)
@options.language_option
@click.option("--kubeconfig", default="", metavar="FILE", help="Kubeconfig to use, as for kedoctor run.")
@click.option("--context", default="", help="Context in the kubeconfig.")
@click.option("--root", default="/", hidden=True)
def command(
    *,
    before: str,
    after: str,
    format_name: str,
    lang: str | None,
    kubeconfig: str,
    context: str,
    root: str,
) -> int:
    """Show what got worse, what got better and which settings differ between A and B (or now).

    A and B are run IDs (latest: the latest), report documents (JSON), evidence (several archives of one site joined by commas),
    directories that kedoctor backup wrote, or now. Runs have no settings and backups no verdicts: what both sides hold is
    compared. Left out is what servers write by themselves.

    Exit codes: 0 nothing differs, 1 something got worse, 2 nothing got worse but settings differ, 3 something can no
    longer be judged, or the two have nothing in common; 64, 78 as everywhere.
    """
    plugins = load_plugins()
    where = {"bundles": (), "kubeconfig": kubeconfig, "context": context, "side": "auto", "root": root}
    first, second = (_side(plugins, name, where) for name in (before, after))
    # What is compared has passed the redactor; names of files and of what only one side holds have not.
    found = DocumentRedactor().record(_compared(first, second))
    if format_name == "json":
        telling.document(found)
    else:
        for line in _told(found, options.language(lang)):
            telling.show(line)  # `pass -> fail` would be taken for a password
    return exit_code(found)


# ------------------------------------------------------------------------------------------ sides


def _side(plugins: Plugins, name: str, where: dict[str, Any]) -> _Side:
    if name == NOW:
        return _seen(plugins, name, options.open_site(plugins, **where))
    if name == LATEST:
        latest = run_store.latest()
        if latest is None:
            raise UsageError("no run is kept yet", hint="kedoctor run makes one")
        return _of_report(latest.run.id, latest)
    path = Path(name)
    if path.is_dir() or path.name == MANIFEST:
        manifest = read_backup(path if path.is_dir() else path.parent)
        return _Side(name, settings={one.name: safe_values(one) for one in manifest.documents})
    paths = [Path(one) for one in name.split(",")]
    if all(one.is_file() for one in paths):
        return _of_files(plugins, name, paths)
    missing = next((one for one in paths if not one.is_file()), path)
    if len(paths) > 1 or os.path.lexists(path) or path.suffix in (".tgz", ".json", ".gz") or "/" in name:
        raise ConfigurationError(f"{missing} {_why_no_file(missing)}")
    return _of_report(name, run_store.load(name))


def _why_no_file(path: Path) -> str:
    try:
        path.stat()
    except OSError as error:
        return f"cannot be read: {error.strerror}" if os.path.lexists(path) else "does not exist"
    return "is neither a file nor a directory"


def _of_files(plugins: Plugins, name: str, paths: list[Path]) -> _Side:
    try:
        with paths[0].open("rb") as file:
            begins = file.read(2)
        if begins == _GZIP:
            return _seen(plugins, name, bundled_site(paths))
        data = read_plain(paths[0], _MAX_BYTES)
        return _of_report(name, DocumentRedactor().report(read_report(data)))
    except OSError as error:
        raise ConfigurationError(f"{paths[0]} cannot be read: {error.strerror or error}") from error
    except RecordError as error:
        raise ConfigurationError(f"{paths[0]} is neither evidence nor a report document: {error}") from error


def _of_report(name: str, report: SafeReport) -> _Side:
    return _Side(name, report, _versions(report))


def _seen(plugins: Plugins, name: str, site: SiteSession) -> _Side:
    report = diagnose_site(plugins, site, RunRequest(command=" ".join(["kedoctor", *sys.argv[1:]])))
    if report.run.exit_code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    documents = settings_of(plugins, site).documents
    rules = [rule for one in plugins.evidence() for rule in one.redactions]
    values = protected(documents, rules, run_store.directory())
    return _Side(name, report, values | _versions(report))


def _versions(report: SafeReport) -> dict[str, Mapping[str, str]]:
    found = {
        name: ", ".join(versions) for name, versions in report.site.component_versions.items() if versions
    }
    if report.site.cluster_version:
        found["Kubernetes"] = report.site.cluster_version
    return {_VERSIONS: found} if found else {}


def _compared(first: _Side, second: _Side) -> Comparison:
    settings, only_one = compare_settings(first.settings, second.settings)
    compared = sorted(set(first.settings) & set(second.settings))
    changes: dict[str, tuple[Change, ...]] = {}
    neither = 0
    if first.report is not None and second.report is not None:
        changes = compare(first.report, second.report)
        neither = unjudged(first.report, second.report)
        compared.insert(0, _VERDICTS)
    return Comparison(
        before=first.name,
        after=second.name,
        compared=tuple(compared),
        settings=settings,
        only_one=tuple(one for one in only_one if one != _VERSIONS),
        unjudged=neither,
        **changes,
    )


# ------------------------------------------------------------------------------------------ telling


def _told(found: Comparison, language: str) -> Iterator[str]:
    for key, changes in (("worse", found.worse), ("better", found.better), ("lost", found.lost)):
        if changes:
            yield _heading(key, language)
            yield from (_change(one, language) for one in changes)
            yield ""
    if found.settings:
        yield _heading("settings", language)
        document = ""
        for one in found.settings:
            if one.document != document:
                document = one.document
                yield f"  {document}"
            yield _setting(one, language)
        yield ""
    if found.only_one:
        yield _say("only_one", language).format(names=", ".join(found.only_one))
    if found.unjudged:
        yield _say("unjudged", language).format(n=found.unjudged)
    if not found.compared:
        yield _say("nothing", language)
    elif not (found.worse or found.better or found.lost or found.settings):
        names = ", ".join(_say(one, language) if one in _WORDS else one for one in found.compared)
        yield _say("same", language).format(compared=names)


def _change(one: Change, language: str) -> str:
    absent = _say("absent", language)
    summary = (one.zh if language == "zh" else "") or one.summary
    before, after = (_status(word, language) if word else absent for word in (one.before, one.after))
    return f"  {one.code} {one.subject}: {before} -> {after}: {summary}"


def _status(word: str, language: str) -> str:
    return STATUSES[Status(word)].in_language(language) if language == "zh" else word


def _setting(one: Difference, language: str) -> str:
    def shown(value: str | None) -> str:
        text = _say("none", language) if value is None else value
        return text if len(text) <= _LONG else f"{text[:_LONG]}…"

    return f"    {one.key}: {shown(one.before)} -> {shown(one.after)}"


def _heading(key: str, language: str) -> str:
    return _say(key, language) + ("：" if language == "zh" else ":")


def _say(key: str, language: str) -> str:
    return _WORDS[key].in_language(language)
