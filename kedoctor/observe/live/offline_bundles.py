"""Offline bundles on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from kedoctor.base.errors import BundleError
from kedoctor.model.observations.inputs import ReadOfflineBundle
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.offline_bundle import OfflineBundle
from kedoctor.observe.live.files import FileTree, refusal
from kedoctor.offline.reading import read_offline_bundle

__all__ = ["read_offline"]

_Seen = tuple[str, int, int, int]


def read_offline(request: ReadOfflineBundle, files: FileTree) -> OfflineBundle | Unavailable:
    """What the offline bundle holds; never longer than its deadline."""
    what = f"offline bundle {request.path}"
    if not request.path.startswith("/") or "\0" in request.path:
        return Unavailable(Reason.INVALID, what, "its path is absolute and holds no NUL")
    try:
        place = Path(files.place(request.path))
        if not place.exists():
            return Unavailable(Reason.ABSENT, what, "it does not exist")
        return _read_once(request, place)
    except TimeoutError:
        return Unavailable(Reason.TIMEOUT, what, f"it was not read within {request.timeout:g} s")
    except BundleError as error:
        return Unavailable(Reason.INVALID, what, str(error))
    except OSError as error:
        return refusal(error, what)


_lock = threading.Lock()
_known: dict[tuple[str, bool], tuple[frozenset[_Seen], OfflineBundle]] = {}


def _read_once(request: ReadOfflineBundle, place: Path) -> OfflineBundle:
    """The bundle as it was read before, if nothing in it has changed since: an install looks at it at every step."""
    key, seen = (str(place), request.sums), frozenset(_listed(place))
    with _lock:
        known = _known.get(key)
        if known is None or known[0] != seen or request.timeout <= 0:
            bundle = read_offline_bundle(
                place, sums=request.sums, timeout=request.timeout, shown=request.path
            )
            known = _known[key] = (seen, bundle)
        return known[1]


def _listed(place: Path) -> Iterator[_Seen]:
    """Every file with what changes when somebody writes to it."""
    for directory, _, names in os.walk(place):
        for name in names:
            path = os.path.join(directory, name)  # noqa: PTH118  names may not be UTF-8
            facts = os.lstat(path)
            yield path, facts.st_size, facts.st_mtime_ns, facts.st_ino
    facts = place.stat()
    yield str(place), facts.st_size, facts.st_mtime_ns, facts.st_ino
