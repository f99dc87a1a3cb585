"""``kedoctor collect``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from kedoctor.base.errors import ExitCode
from kedoctor.base.text import Text
from kedoctor.cli import options
from kedoctor.evidence.collect import collect
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.observe.live.host import read_identity
from kedoctor.observe.live.source import LiveSource
from kedoctor.plugins import load_plugins
from kedoctor.snapshot.collect_settings import make_every_fact

__all__ = ["command"]

_MADE = Text(
    "{path}: {made} observations, {missing} that could not be made. Look at it on any machine:",
    zh="{path}：{made} 项内容，另有 {missing} 项未能取得。可在任意机器上查看：",
)
_WITHHELD = Text("{n} could not be redacted safely and were left out.", zh="有 {n} 项无法安全脱敏，未写入。")


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The archive to write; else one named by host and time.",
)
@click.option("--kubeconfig", default="", metavar="FILE", help="As for kedoctor run.")
@click.option("--context", default="", help="Context of the kubeconfig.")
@click.option("--root", default="/", hidden=True)
def command(*, output: Path | None, kubeconfig: str, context: str, root: str) -> int:
    """Write what kedoctor would look at into one archive (mode 0600).

    Private keys, tokens and credentials are taken out before anything reaches the disk. Carry the archive to another
    machine and look at it there: kedoctor run --bundle FILE. Exit code 3: something could not be redacted safely and
    was left out.
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
    language = options.language(None)
    counted = {"path": done.path, "made": len(entries) - missing, "missing": missing}
    click.echo(_MADE.in_language(language).format(**counted))
    click.echo(f"  kedoctor run --bundle {done.path}")
    if done.withheld:
        click.echo(_WITHHELD.in_language(language).format(n=done.withheld), err=True)
        return ExitCode.UNDETERMINED
    return ExitCode.OK
