"""The names of container images, as a runtime understands them."""

from __future__ import annotations

__all__ = ["canonical"]


def canonical(reference: str) -> str:
    """A reference in full: ``busybox`` is ``docker.io/library/busybox:latest``."""
    first, slash, _ = reference.partition("/")
    if not slash:
        reference = f"docker.io/library/{reference}"
    elif not ({".", ":"} & set(first)) and first != "localhost":
        reference = f"docker.io/{reference}"
    tagged = "@" in reference or ":" in reference.rpartition("/")[2]
    return reference if tagged else f"{reference}:latest"
