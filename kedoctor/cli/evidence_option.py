"""Options whose name has changed, and the two kinds of bundle that must not be mixed up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import UsageError

__all__ = ["EvidenceFile", "OfflineBundlePlace", "RenamedOption"]

_GZIP = b"\x1f\x8b"


class RenamedOption(click.Option):
    """An option that still answers to an ``old`` name, which no help shows; it goes with the next minor version."""

    def __init__(self, *arguments: Any, old: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._old = old

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Lets the parser take both names."""
        shown = self.opts
        self.opts = [*shown, self._old]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = shown


class EvidenceFile(click.Path):
    """An archive that ``kedoctor collect`` wrote; a directory is refused with what it probably is."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path.

        Raises:
            UsageError: it is a directory.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.is_dir():
            raise UsageError(
                f"{path} is a directory, not evidence",
                hint="--evidence FILE takes an archive that kedoctor collect wrote; "
                "an offline bundle is given with --offline-bundle DIR",
            )
        return path


class OfflineBundlePlace(click.Path):
    """An offline bundle, a directory or a tar; evidence is refused with what it is."""

    def __init__(self, *, directory: bool = False) -> None:
        super().__init__(exists=True, file_okay=True, path_type=Path)
        self._directory = directory

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path.

        Raises:
            UsageError: it is evidence, or a tar where only a directory will do.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if is_evidence(path):
            raise UsageError(
                f"{path} is evidence, not an offline bundle",
                hint=f"look at evidence with: kedoctor run --evidence {path}",
            )
        if self._directory and not path.is_dir():
            raise UsageError(
                f"{path} is a file; an offline bundle to install from is a directory",
                hint=f"unpack it first: mkdir bundle && tar -xf {path} -C bundle",
            )
        return path


def is_evidence(path: Path) -> bool:
    """Whether it is an archive that ``kedoctor collect`` wrote: a gzipped tar that begins with its manifest."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            if file.read(2) != _GZIP:
                return False
        from kedoctor.evidence.replay import open_bundle  # noqa: PLC0415  only where it may be one

        open_bundle(path)
    except Exception:  # noqa: BLE001  whatever is wrong with it: it is no evidence
        return False
    return True
