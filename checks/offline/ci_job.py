"""The CI job that fetches the images of an offline bundle, for GitHub Actions and for GitLab (requirements.md R091-R097).

One variable per version; an image that a site cannot do without fails the build; each is pulled for the machine of the
bundle and saved under the name that the user's own build gives it (kubeprepare.md §1.2).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from kedoctor.api import NeededImage, VersionSet
from kedoctor.checks.parsers.release_contents import ARCHITECTURES, SIDES

__all__ = ["GITHUB", "GITLAB", "SYSTEMS", "job"]

GITHUB, GITLAB = "github", "gitlab"
SYSTEMS = (GITHUB, GITLAB)

_HEAD = """\
# Fetches the container images of an offline KubeEdge site and makes the offline bundle of them.
# Written by: kedoctor bundle make {directory} --ci {system}
# The programs (`kedoctor bundle images --format json` lists them) are put into $BUNDLE by a step of your own.
"""

_FETCH = """\
set -eu
mkdir -p "$BUNDLE/images"
fetch() {
  file="$BUNDLE/images/$(printf '%s' "$1" | sed 's#[/:]#-#g').tar"
  docker pull --quiet --platform "linux/$ARCH" "$1" && docker save -o "$file" "$1" && return 0
  rm -f "$file"
  return 1
}
mandatory() {
  fetch "$1" || { echo "error: $1 could not be fetched, and a site cannot do without it" >&2; exit 1; }
}
optional() {
  fetch "$1" || echo "warning: $1 could not be fetched; $2" >&2
}
"""

_MAKE = """\
set -eu
python3 -m venv .kedoctor
.kedoctor/bin/pip install --quiet kedoctor
machine=x86_64; [ "$ARCH" = amd64 ] || machine=aarch64
.kedoctor/bin/pip download --quiet --only-binary :all: --platform "manylinux2014_$machine" --dest wheels kedoctor
.kedoctor/bin/kedoctor bundle make "$BUNDLE" --side "$SIDE" --arch "$ARCH" --wheels wheels
.kedoctor/bin/kedoctor bundle verify "$BUNDLE" --side "$SIDE" --arch "$ARCH"
tar -czf "$BUNDLE-$SIDE-$ARCH.tar.gz" -C "$BUNDLE" .
"""

_GITHUB = """\
name: offline-bundle
on:
  workflow_dispatch:
  push:
    tags: ["v*"]
permissions:
  contents: read
env:
  BUNDLE: {directory}
{variables}
jobs:
  offline-bundle:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        side: [{sides}]
        arch: [{architectures}]
    env:
      SIDE: ${{{{ matrix.side }}}}
      ARCH: ${{{{ matrix.arch }}}}
    steps:
    - uses: actions/checkout@v4
    - name: Fetch the images
      run: |
{fetch}
    # Your step that puts the programs into $BUNDLE stands here; the next one names those that are missing, and fails.
    - name: Make and verify the offline bundle
      run: |
{make}
    - uses: actions/upload-artifact@v4
      with:
        name: {directory}-${{{{ matrix.side }}}}-${{{{ matrix.arch }}}}
        path: {directory}-${{{{ matrix.side }}}}-${{{{ matrix.arch }}}}.tar.gz
        if-no-files-found: error
"""

_GITLAB = """\
offline-bundle:
  image: docker:28
  services: ["docker:28-dind"]
  variables:
    BUNDLE: {directory}
    DOCKER_TLS_CERTDIR: /certs
{variables}
  parallel:
    matrix:
    - SIDE: [{sides}]
      ARCH: [{architectures}]
  before_script:
  - apk add --no-cache python3 py3-pip
  script:
  - |
{fetch}
  # Your command that puts the programs into $BUNDLE stands here; the next one names those that are missing, and fails.
  - |
{make}
  artifacts:
    paths:
    - {directory}-*.tar.gz
"""


def job(
    system: str, versions: VersionSet, *, directory: str, sides: tuple[str, ...], machines: tuple[str, ...]
) -> str:
    """The whole file of a CI system (one of ``SYSTEMS``) that makes the offline bundle in ``directory``."""
    template, indent, deep = (_GITHUB, 2, 8) if system == GITHUB else (_GITLAB, 4, 4)
    used = " ".join(one.template for one in versions.images if set(one.sides) & set(sides))
    variables = [f'{name}: "{value}"' for name, value in versions.versions.items() if f"${{{name}}}" in used]
    body = template.format(
        directory=directory,
        variables=textwrap.indent("\n".join(variables), " " * indent),
        sides=", ".join(sides or SIDES),
        architectures=", ".join(machines or ARCHITECTURES),
        fetch=textwrap.indent(_FETCH + "\n".join(_calls(versions, sides)), " " * deep),
        make=textwrap.indent(_MAKE.rstrip("\n"), " " * deep),
    )
    return _HEAD.format(directory=directory, system=system) + body


def _calls(versions: VersionSet, sides: tuple[str, ...]) -> Iterator[str]:
    yield 'case "$SIDE" in'
    for side in sides:
        yield f"{side})"
        yield from (f"  {_call(one)}" for one in versions.images if side in one.sides)
        yield "  ;;"
    yield "esac"


def _call(needed: NeededImage) -> str:
    if needed.mandatory:
        return f'mandatory "{needed.template}"'
    return f"""optional "{needed.template}" "{needed.why.en}\""""
