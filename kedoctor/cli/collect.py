"""``kedoctor collect``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from kedoctor.base.errors import ExitCode
from kedoctor.base.text import Text
from kedoctor.cli import options, telling
from kedoctor.evidence.collect import collect
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.observe.live.host import read_identity
from kedoctor.observe.live.source import LiveSource
from kedoctor.plugins import load_plugins
from kedoctor.snapshot.collect_settings import make_every_fact

__all__ = ["command"]

_MADE = Text(
    "{path}: collected {items}; {missing} unavailable (reasons in the archive). Diagnose it on any machine:",
    zh="{path}：已采集 {items}，{missing} 项未能采集（原因见归档文件）。可在任意机器上诊断：",
)
_WITHHELD = Text(
    "Items that could not be redacted safely and were not written: {n}.", zh="有 {n} 项无法安全脱敏，未写入。"
)
_ITEM, _ITEMS = Text("1 item", zh="1 项"), Text("{n} items", zh="{n} 项")


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The archive to write [default: named by host and time].",
)
@click.option("--kubeconfig", default="", metavar="FILE", help="Kubeconfig to use, as for kedoctor run.")
@click.option("--context", default="", help="Context in the kubeconfig.")
@click.option("--root", default="/", hidden=True)
@options.language_option
def command(*, output: Path | None, kubeconfig: str, context: str, root: str, lang: str | None) -> int:
    """Collect evidence: what kedoctor would read, in one archive (mode 0600).

    Private keys, tokens and credentials are removed before anything reaches the disk. Carry the archive to another
    machine and diagnose it there: kedoctor run --evidence FILE. Exit code 3: something could not be redacted safely
    and was not written.
    """
    plugins = load_plugins()
    host = read_identity().hostname
    target = output or Path(f"kedoctor-{host}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tgz")
    cluster = LiveCluster(kubeconfig or None, context or None, root=root)
    done = collect(
        lambda memo: make_every_fact(plugins, memo, host=host),
        LiveSource(root=root, cluster=cluster),
        target,
        plugins.evidence(),
        host=host,
    )
    entries = done.manifest.entries
    missing = sum(1 for entry in entries if entry.unavailable is not None)
    language = options.language(lang)
    made = len(entries) - missing
    items = (_ITEM if made == 1 else _ITEMS).in_language(language).format(n=made)
    counted = {"path": done.path, "items": items, "missing": missing}
    telling.say(_MADE.in_language(language).format(**counted))
    telling.say(f"  kedoctor run --evidence {done.path}")
    if done.withheld:
        telling.say(_WITHHELD.in_language(language).format(n=done.withheld), err=True)
        return ExitCode.UNDETERMINED
    return ExitCode.OK
