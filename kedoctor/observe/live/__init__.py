"""Looking at the world as it is now: this machine, the network around it, and the cluster's API.

:class:`LiveSource` answers requests; :mod:`kedoctor.observe.live.subprocesses` starts every child process. Nothing is imported
before it is asked for, so that a command that needs one of them does not pay for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kedoctor.observe.live.source import LiveSource

__all__ = ["LiveSource"]


def __getattr__(name: str) -> Any:
    if name != "LiveSource":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kedoctor.observe.live.source import LiveSource  # noqa: PLC0415  see above

    return LiveSource
