"""The lists of images that the clients of container runtimes print."""

from __future__ import annotations

from kedoctor.api import Reason, ToolOutput, Unavailable, canonical

__all__ = ["stored_images"]


def stored_images(said: ToolOutput, what: str) -> frozenset[str] | Unavailable:
    """The references in full, of ``ctr images ls -q`` or of docker's ``REPOSITORY:TAG``; bare digests are no names."""
    if said.exit_code:
        detail = said.stderr.strip()[-200:] or f"exit code {said.exit_code}"
        return Unavailable(Reason.TOOL_FAILED, what, detail)
    words = (line.strip() for line in said.stdout.splitlines())
    return frozenset(
        canonical(name) for name in words if name and "<none>" not in name and not name.startswith("sha256:")
    )
