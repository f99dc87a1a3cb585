"""``kedoctor bundle``: the offline bundle that a site is installed from. Evidence is ``kedoctor collect``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kedoctor import patterns
from kedoctor.base.errors import ExitCode, UsageError
from kedoctor.base.records import encode_pretty
from kedoctor.cli import bundle_output, options, telling
from kedoctor.plugins import load_plugins

if TYPE_CHECKING:
    from kedoctor.model.offline_bundle import OfflineProblem
    from kedoctor.model.release_contents import Judgement, OfflineKnowledge, VersionSet

__all__ = ["command"]

_ARCHITECTURES = ("amd64", "arm64")
_MOST_NAMES = 8

_side = click.option(
    "--side",
    type=click.Choice(["cloud", "edge"]),
    help="Only what this side needs [default: both, or by content].",
)
_arch = click.option(
    "--arch",
    type=click.Choice(_ARCHITECTURES),
    help="Target architecture [default: amd64, or by content].",
)
_release = click.option(
    "--kubeedge-version", "release", default="", metavar="V", help="The KubeEdge release, such as 1.22.0."
)
_format = click.option(
    "--format", "format_name", type=click.Choice(["text", "json"]), default="text", show_default=True
)
_output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write to this file instead of standard output."
)


@click.group()
def command() -> None:
    """List, check and fill the offline bundle that a site without a network is installed from.

    This is the directory (or tar) with programs, container images and manifests. What kedoctor collect writes and
    kedoctor run --evidence reads is evidence, not an offline bundle.
    """


@command.command("images", short_help="List the images that belong in an offline bundle.")
@_side
@_arch
@_release
@_format
@_output
@options.language_option
def images(
    *,
    side: str | None,
    arch: str | None,
    release: str,
    format_name: str,
    output: Path | None,
    lang: str | None,
) -> None:
    """Print the images that belong into an offline bundle: one a line, with who needs it and why.

    The first word of a line is the image. Lines that begin with # say for which release and machine it is.
    """
    versions = _versions(release)
    machine = arch or "amd64"
    if format_name == "json":
        data = encode_pretty(bundle_output.listed(versions, side, machine))
    else:
        data = _text(bundle_output.image_lines(versions, side, machine, options.language(lang)))
    options.emit(data, output)


@command.command("verify", short_help="Check whether an offline bundle is complete and intact.")
@click.argument("place", metavar="DIR|TAR", type=click.Path(path_type=Path))
@_side
@_arch
@_release
@_format
@_output
@options.language_option
def verify(
    *,
    place: Path,
    side: str | None,
    arch: str | None,
    release: str,
    format_name: str,
    output: Path | None,
    lang: str | None,
) -> int:
    """Check whether an offline bundle is whole: checksums, every image and program, and the machine they are for.

    Nothing is unpacked or started, and no container runtime is needed: the archives are read from front to back, every
    layer is compared with its digest. What is not given (side, machine, release) is taken from the content. Exit code 1:
    something mandatory is missing or something is damaged. 78: it cannot be read at all.
    """
    from kedoctor.offline.reading import read_offline_bundle  # noqa: PLC0415

    versions = _versions(release) if release else None
    tell = _progress()
    judgement = _knowledge().judge(
        read_offline_bundle(place, tell=tell),
        sides=(side,) if side else (),
        architecture=arch or "",
        versions=versions,
    )
    language = options.language(lang)
    if format_name == "json":
        data = encode_pretty(bundle_output.verified(judgement, language))
    else:
        data = _text(bundle_output.verdict_lines(judgement, language))
    options.emit(data, output)
    return ExitCode.OK if judgement.complete else ExitCode.FAILED


@command.command("make", short_help="Make an offline bundle from images and programs.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@_side
@_arch
@_release
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Put kedoctor itself in: the wheels of this directory.",
)
@click.option(
    "--kedoctor",
    "archive",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="ARCHIVE",
    help="Put kedoctor itself in: its archive with its own Python (make dist), for hosts that have none.",
)
@click.option(
    "--crds",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Put the CRDs of this directory in (EdgeMesh needs those of Istio).",
)
@click.option(
    "--ci",
    "system",
    type=click.Choice(["github", "gitlab"]),
    help="Only print the CI job that fetches the images into DIR.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="With --ci: write the job to this file."
)
@options.language_option
def make(
    *,
    directory: Path,
    side: str | None,
    arch: str | None,
    release: str,
    wheels: Path | None,
    archive: Path | None,
    crds: Path | None,
    system: str | None,
    output: Path | None,
    lang: str | None,
) -> int:
    """Make an offline bundle of a directory that holds images and programs.

    Puts in the manifests (metrics-server with all its objects, the rights of an operator, CRDs if given), a network
    template for edges, and kedoctor itself (its wheels or its archive) if given; then writes the lists of everything,
    offline-bundle.json and SHA256SUMS. Every file is written whole or not at all; a second run changes nothing. Images and programs are not
    fetched: --ci prints the job that does it. Exit code 1: it was made, and something mandatory is missing.
    """
    if system is not None:
        options.emit(_job(system, directory, side, arch, _versions(release)), output)
        return ExitCode.OK
    if output is not None:
        raise UsageError("-o belongs to --ci", hint="kedoctor bundle make DIR --ci github -o FILE")
    if not directory.is_dir():
        raise UsageError(
            f"{directory} is not a directory",
            hint=f"create it and put images and programs in: mkdir -p {directory}",
        )
    copies = _copies(wheels, crds)
    return _make(
        directory, side, arch, release, copies=copies, archive=archive, language=options.language(lang)
    )


def _versions(release: str) -> VersionSet:

    known = _knowledge()
    found = known.version_set(release) if release else known.newest()
    if found is None:
        raise UsageError(
            f"there is no set of versions for KubeEdge {release}",
            hint=f"there are sets for {known.releases()}",
        )
    return found


def _knowledge() -> OfflineKnowledge:
    known = load_plugins().offline()
    if known is None:
        raise UsageError("no plugin here knows what belongs into an offline bundle")
    return known


def _progress() -> Callable[[str], None] | None:
    """Shows the file that is being read, in one line of a terminal; gigabytes from a USB stick take minutes."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") in ("dumb", ""):
        return None
    width = shutil.get_terminal_size().columns - 1
    return lambda path: telling.say(f"\r\x1b[K{path[:width]}", err=True, nl=False)


def _text(lines: Iterator[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


# --------------------------------------------------------------------------------------------------- make


def _job(system: str, directory: Path, side: str | None, arch: str | None, versions: VersionSet) -> bytes:

    if not patterns.compiled(r"[\w.-]+").fullmatch(str(directory)):
        raise UsageError(
            f"{directory} is not a plain name", hint="with --ci, DIR is a name within the build directory"
        )
    return (
        _knowledge()
        .job(
            system,
            versions,
            directory=str(directory),
            sides=(side,) if side else ("cloud", "edge"),
            machines=(arch,) if arch else _ARCHITECTURES,
        )
        .encode()
    )


def _copies(wheels: Path | None, crds: Path | None) -> dict[str, Path]:
    from kedoctor.offline import making  # noqa: PLC0415  only where a bundle is made

    return {
        **(making.wheel_files(wheels) if wheels else {}),
        **(making.crd_files(crds) if crds else {}),
    }


def _make(
    directory: Path,
    side: str | None,
    arch: str | None,
    release: str,
    *,
    copies: dict[str, Path],
    archive: Path | None,
    language: str,
) -> int:
    from kedoctor.offline import making  # noqa: PLC0415
    from kedoctor.offline.own_archive import archive_files  # noqa: PLC0415
    from kedoctor.offline.reading import read_offline_bundle  # noqa: PLC0415

    making.fill(directory, {}, {})
    known = _knowledge()
    found = known.judge(
        read_offline_bundle(directory, sums=False),
        sides=(side,) if side else (),
        architecture=arch or "",
        versions=_versions(release) if release else None,
    )
    files = {
        path: making.manifest_text(head, objects)
        for path, (head, objects) in known.manifests(found.versions, found.sides).items()
    }
    if archive is not None:
        copies = {**copies, **archive_files(archive, found.architecture)}
    written = making.fill(directory, {**files, **known.plain_files(found.sides)}, copies)
    made = making.seal(
        directory, release=found.versions.release, sides=found.sides, architecture=found.architecture
    )
    judgement = _knowledge().judge(
        made.bundle, sides=found.sides, architecture=found.architecture, versions=found.versions
    )
    for path in (*written, *made.written):
        telling.say(f"{'写入' if language == 'zh' else 'written'}  {path}")
    for line in (*_changed_lines(made.changed, language), *_wheel_lines(judgement, language)):
        telling.say(line)
    for line in bundle_output.verdict_lines(judgement, language):
        telling.say(line)
    return ExitCode.OK if judgement.complete else ExitCode.FAILED


def _changed_lines(changed: tuple[OfflineProblem, ...], language: str) -> Iterator[str]:
    for problem in changed:
        if language == "zh":
            yield f"注意  {problem.path} 与上次的清单 {problem.detail} 不一致（已更改或删除）；新清单以现状为准"
        else:
            yield f"NOTE  {problem.path} is not as the last {problem.detail} had it; the new one takes it as it is now"


def _wheel_lines(judgement: Judgement, language: str) -> Iterator[str]:
    from kedoctor.model.offline_bundle import BundledKind  # noqa: PLC0415  as above
    from kedoctor.offline.making import missing_wheels  # noqa: PLC0415
    from kedoctor.offline.own_archive import is_own_archive  # noqa: PLC0415

    held = [one.path.rpartition("/")[2] for one in judgement.bundle.of_kind(BundledKind.WHEEL)]
    if not held and any(is_own_archive(one.path) for one in judgement.bundle.files):
        return
    missing = missing_wheels(held, judgement.architecture)
    if not missing:
        return
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[judgement.architecture]
    fetch = f"pip download kedoctor --only-binary :all: --platform manylinux2014_{machine} --dest wheels"
    names = ", ".join(missing[:_MOST_NAMES]) + (" …" if len(missing) > _MOST_NAMES else "")
    if language == "zh":
        what = f"缺少 kedoctor 的 wheel（{names}）" if held else "其中没有 kedoctor 本身"
        yield f"警告  {what}；执行 {fetch}，再加 --wheels wheels"
    else:
        what = f"wheels of kedoctor are missing ({names})" if held else "kedoctor itself is not in it"
        yield f"WARN  {what}; run {fetch}, then add --wheels wheels"
