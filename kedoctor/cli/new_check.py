"""``kedoctor new-check``."""

from __future__ import annotations

from pathlib import Path

import click

from kedoctor import patterns
from kedoctor.base.atomic_files import replace_file
from kedoctor.base.errors import OutputError, UsageError
from kedoctor.cli import telling
from kedoctor.cli.skeleton import files_of

__all__ = ["command"]

_CODE = patterns.compiled(r"[A-Z]{2,8}\d{2,4}")
_SLUG = patterns.compiled(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@click.command()
@click.argument("code", metavar="CODE")
@click.argument("slug", metavar="NAME")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Write into this directory [default: the current one].",
)
def command(*, code: str, slug: str, output: Path) -> None:
    """Write the skeleton of a check of your own: CODE such as ACME01, NAME such as ntp-server.

    Writes one plugin file with a fact, a check and its repair, a page in English and Chinese, and a test that passes.
    Copied into /etc/kedoctor/plugins, the file (with its pages) is a plugin. Nothing that exists is overwritten.
    """
    if not _CODE.fullmatch(code):
        raise UsageError(
            f"{code!r} is not a code", hint="2 to 8 capital letters and 2 to 4 digits, such as ACME01"
        )
    if code.startswith("KE"):
        raise UsageError(
            "codes that begin with KE belong to kedoctor", hint="take letters of your own: ACME01"
        )
    if not _SLUG.fullmatch(slug):
        raise UsageError(
            f"{slug!r} is not a name", hint="small letters, digits and hyphens, such as ntp-server"
        )
    files = {output / path: text for path, text in files_of(code, slug).items()}
    there = next((path for path in files if path.exists()), None)
    if there is not None:
        raise UsageError(f"{there} exists already; nothing was written")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, text.encode(), mode=0o644, alone=False)
        except OSError as error:
            raise OutputError(f"{path} could not be written: {error.strerror}") from error
        telling.say(str(path))
    plugin = next(iter(files))
    telling.say(f"Try it: KEDOCTOR_PLUGINS={plugin.parent} kedoctor run --only {code}")
    telling.say(f"Test it: python -m pytest {output / 'tests'}")
