"""The names of container images, as a runtime understands them."""

from __future__ import annotations

import os

from kedoctor import patterns

__all__ = ["archive_name", "canonical", "is_reference", "shown"]

_REFERENCE = patterns.compiled(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}")


def is_reference(name: str) -> bool:
    """Whether it can be the name of an image at all; an archive may say anything."""
    return _REFERENCE.fullmatch(name) is not None


def shown(name: str) -> str:
    r"""A name out of an archive or directory so that it can be printed: what is not a text or steers a terminal as ``\x1b``."""
    text = name if name.isascii() else os.fsencode(name).decode("utf-8", errors="backslashreplace")
    return (
        text
        if text.isprintable()
        else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    )


def canonical(reference: str) -> str:
    """A reference in full: ``busybox`` is ``docker.io/library/busybox:latest``."""
    first, slash, _ = reference.partition("/")
    if not slash:
        reference = f"docker.io/library/{reference}"
    elif not ({".", ":"} & set(first)) and first != "localhost":
        reference = f"docker.io/{reference}"
    tagged = "@" in reference or ":" in reference.rpartition("/")[2]
    return reference if tagged else f"{reference}:latest"


def archive_name(reference: str) -> str:
    """The name that bundles give the archive of an image: its reference with ``/`` and ``:`` as ``-``."""
    return reference.replace("/", "-").replace(":", "-")
