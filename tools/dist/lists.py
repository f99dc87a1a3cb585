"""What goes with the files: the manifest for krew, the bill of materials, the checksums."""

from __future__ import annotations

from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from archives import sha256
from settings import Architecture, epoch

__all__ = ["checksums", "krew_manifest", "materials"]

ADDRESS = "https://kedoctor.example/releases"
"""Where a site that publishes the files puts them; ``--address`` names the real one."""


def krew_manifest(archives: dict[Architecture, Path], version: str, address: str) -> str:
    """``kubectl krew install --manifest=FILE`` takes this; the digests are those of the archives."""
    platforms = "".join(
        f"""    - selector:
        matchLabels: {{os: linux, arch: {one.go}}}
      uri: {address}/{path.name}
      sha256: {sha256(path)}
      files:
        - {{from: "kedoctor-{version}/*", to: "."}}
      bin: bin/kubectl-kedoctor
"""
        for one, path in archives.items()
    )
    return f"""apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: kedoctor
spec:
  version: v{version}
  homepage: {address}
  shortDescription: Find out why logs, exec or top does not reach a KubeEdge edge
  description: |
    Names the broken step between kubectl and a KubeEdge edge node in one sentence, repairs it when asked and can undo
    every repair. Works without the Internet.
  platforms:
{platforms}"""


def materials(tree: Path, version: str, python: str) -> str:
    """The bill of materials (CycloneDX 1.5, JSON): kedoctor, its Python, and every package in the directory."""
    from cyclonedx.model import Property  # noqa: PLC0415  only where a bill is made
    from cyclonedx.model.bom import Bom  # noqa: PLC0415  as above
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415  as above
    from cyclonedx.output.json import JsonV1Dot5  # noqa: PLC0415  as above
    from packageurl import PackageURL  # noqa: PLC0415  as above

    def component(name: str, version: str, kind: ComponentType, properties: list[Property]) -> Component:
        purl = PackageURL("pypi", name=name.lower().replace("_", "-"), version=version)
        return Component(name=name, version=version, type=kind, purl=purl, bom_ref=str(purl), properties=properties)

    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"kedoctor-{version}-{tree.name}"))
    bom.metadata.timestamp = datetime.fromtimestamp(epoch(), UTC)
    root = component("kedoctor", version, ComponentType.APPLICATION, [])
    bom.metadata.component = root
    parts = [Component(name="CPython", version=python, type=ComponentType.PLATFORM, bom_ref="cpython")]
    for metadata in sorted(tree.glob("python/lib/python3*/site-packages/*.dist-info/METADATA")):
        head = HeaderParser().parsestr(metadata.read_text(encoding="utf-8"))
        if head["Name"] != "kedoctor":
            told = head["License-Expression"] or head["License"] or ""
            licence = [Property(name="license", value=told.splitlines()[0])] if told else []
            parts.append(component(head["Name"], head["Version"], ComponentType.LIBRARY, licence))
    for library in sorted(tree.glob("python/lib/*.so*")):
        parts.append(Component(name=library.name, type=ComponentType.LIBRARY, bom_ref=f"file:{library.name}"))
    for one in parts:
        bom.components.add(one)
    bom.register_dependency(root, parts)
    return str(JsonV1Dot5(bom).output_as_string(indent=1)) + "\n"


def checksums(folder: Path) -> str:
    """``sha256sum -c SHA256SUMS`` checks all files of a folder with this."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    return "".join(f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
