"""Offline bundles on this machine."""

from __future__ import annotations

from pathlib import Path

from kedoctor.errors import BundleError
from kedoctor.live.files import FileTree, refusal
from kedoctor.observations import OfflineBundle, ReadOfflineBundle, Reason, Unavailable
from kedoctor.offline.reading import read_offline_bundle

__all__ = ["read_offline"]


def read_offline(request: ReadOfflineBundle, files: FileTree) -> OfflineBundle | Unavailable:
    """What the offline bundle holds; never longer than its deadline."""
    what = f"offline bundle {request.path}"
    if not request.path.startswith("/") or "\0" in request.path:
        return Unavailable(Reason.INVALID, what, "its path is absolute and holds no NUL")
    try:
        place = Path(files.place(request.path))
        if not place.exists():
            return Unavailable(Reason.ABSENT, what, "it does not exist")
        return read_offline_bundle(place, sums=request.sums, timeout=request.timeout, shown=request.path)
    except TimeoutError:
        return Unavailable(Reason.TIMEOUT, what, f"it was not read within {request.timeout:g} s")
    except BundleError as error:
        return Unavailable(Reason.INVALID, what, str(error))
    except OSError as error:
        return refusal(error, what)
