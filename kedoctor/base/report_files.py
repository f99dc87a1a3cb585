"""Files that a person named for what they want to read: reports and archives of evidence.

Unlike files of kedoctor's own they may exist, belong to somebody, be behind a link, or be a device or a pipe.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kedoctor.base.atomic_files import EXISTING, Draft, draft
from kedoctor.base.directories import Place, PlaceError, held, is_kernel_link

__all__ = ["commit_report", "report_draft", "write_report"]


def write_report(path: Path, data: bytes) -> None:
    """A file that a person named for what they want to read: new ones are theirs only (mode 0600).

    One that is there keeps its owner and mode, and a link of this user's or root's is followed. Devices and pipes
    are written to; everything is refused that somebody else may have put there to be overwritten.

    Raises:
        OSError: it could not be written, or is refused.
    """
    with held(path) as place:
        facts = place.look()
        if facts is None or stat.S_ISREG(facts.st_mode):
            with draft(place) as new:
                new.file.write(data)
                commit_report(new)
        else:
            _write_to_special(place, data)


@contextlib.contextmanager
def report_draft(path: Path) -> Iterator[Draft]:
    """A draft of a file that a person named, for what is written piece by piece; end it with :func:`commit_report`.

    Raises:
        OSError: it cannot be made there, or the name is that of something else than a plain file.
    """
    with held(path) as place:
        facts = place.look()
        if facts is not None and not stat.S_ISREG(facts.st_mode):
            raise PlaceError("it is not a regular file; name one that is or that does not exist yet")
        with draft(place) as new:
            yield new


def commit_report(new: Draft) -> None:
    """Gives the draft its name; an older file's owner and mode are kept.

    Raises:
        OSError: as :func:`write_report`.
    """
    new.commit(mode=_kept_owner(new.place, new.place.look(), new))


def _kept_owner(place: Place, facts: os.stat_result | None, new: Draft) -> int:
    """The mode for a report, after its file was given to the owner of the one that it replaces."""
    if facts is None:
        return 0o600
    if facts.st_uid != os.geteuid():
        folder = os.fstat(place.directory)
        if folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or folder.st_uid not in (
            0,
            os.geteuid(),
            facts.st_uid,
        ):
            raise PlaceError(
                f"it belongs to the user with id {facts.st_uid} in a directory that others can write to"
            )
        os.fchown(new.file.fileno(), facts.st_uid, facts.st_gid)
    return stat.S_IMODE(facts.st_mode) & 0o777


def _write_to_special(place: Place, data: bytes) -> None:
    handle = _opened_special(place)
    with os.fdopen(handle, "wb", buffering=0) as device:
        facts = os.fstat(handle)
        if not (stat.S_ISCHR(facts.st_mode) or stat.S_ISFIFO(facts.st_mode) or stat.S_ISREG(facts.st_mode)):
            raise PlaceError("it is neither a file nor a pipe nor a character device")
        if facts.st_uid not in (0, os.geteuid()) and not stat.S_ISREG(facts.st_mode):
            raise PlaceError(f"it belongs to the user with id {facts.st_uid}")
        os.set_blocking(handle, True)
        view = memoryview(data)
        while view:
            view = view[device.write(view) :]


def _opened_special(place: Place) -> int:
    facts = place.look()
    flags = EXISTING & ~os.O_NOFOLLOW if facts is not None and is_kernel_link(facts) else EXISTING
    return os.open(place.name, flags, dir_fd=place.directory)
