"""``kedoctor backup``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import ExitCode, UndeterminedError
from kedoctor.base.text import Text
from kedoctor.cli import options, telling
from kedoctor.observe.live.host import read_identity
from kedoctor.plugins import load_plugins
from kedoctor.report import run_store
from kedoctor.snapshot.backup import new_id, without_secrets, write_backup
from kedoctor.snapshot.collect_settings import settings_of
from kedoctor.snapshot.protection import protected

__all__ = ["command"]

_KEPT = Text(
    "{target}: saved {kept}. To see later what changed:", zh="{target}：{kept}。之后可用以下命令查看差异："
)
_NOT_KEPT = Text("not saved: {why}", zh="未保存：{why}")
_WITHHELD = Text("not saved: {name} could not be redacted safely", zh="未保存：{name} 无法安全脱敏")


@click.command()
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The new directory [default: below kedoctor's state directory].",
)
@options.site_options
def command(*, directory: Path | None, **where: Any) -> int:
    """Save the settings of this site before an upgrade or a change: cloudcore's ConfigMap, edgecore.yaml.

    Of a secret only a keyed hash is written. kedoctor diff DIR shows later what changed. Exit code 3: something could not be
    read or redacted safely; the rest is saved.
    """
    plugins = load_plugins()
    found = settings_of(plugins, options.open_site(plugins, **where))
    rules = [rule for one in plugins.evidence() for rule in one.redactions]
    safe, withheld = without_secrets(found.documents, rules)
    if not safe:
        raise UndeterminedError(
            "nothing to save: no settings could be read",
            hint="; ".join(found.missing) or "run it on a cloud or edge host, or name a kubeconfig",
        )
    now = datetime.now(UTC)
    target = directory or run_store.directory() / "backups" / new_id(now)
    values = protected(found.documents, rules, run_store.directory())
    manifest = write_backup(target, safe, values, now=now, host=read_identity().hostname)
    language = options.language(None)
    kept = ", ".join(one.name for one in manifest.documents)
    telling.say(_KEPT.in_language(language).format(target=target, kept=kept))
    telling.say(f"  kedoctor diff {target}")
    for why in found.missing:
        telling.say(_NOT_KEPT.in_language(language).format(why=why), err=True)
    for name in withheld:
        telling.say(_WITHHELD.in_language(language).format(name=name), err=True)
    return ExitCode.UNDETERMINED if found.missing or withheld else ExitCode.OK
