"""Files that are there only while something starts: a one-time token, say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kedoctor.base.atomic_files import sync_directory
from kedoctor.base.failpoints import reach
from kedoctor.changes.actor import RefusedError
from kedoctor.model.actions import TemporaryFile
from kedoctor.observe.live.files import FileTree

__all__ = ["TemporaryFiles"]


class TemporaryFiles:
    """Puts files in place under a root and takes them away again, whatever happens in between."""

    def __init__(self, root: str = "/") -> None:
        self._tree = FileTree(root)

    @contextmanager
    def lent(self, loan: TemporaryFile | None) -> Iterator[None]:
        """The file is there while the block runs.

        Raises:
            RefusedError: there is such a file already, or it could not be written or taken away.
        """
        if loan is None:
            yield
            return
        try:
            self._put(loan)
            yield
        finally:
            self.take_away(loan)

    def _put(self, loan: TemporaryFile) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            reach()
            with os.fdopen(os.open(self._place(loan.path), flags, 0o600), "wb") as file:
                file.write(loan.content)
                file.flush()
                reach()
                os.fsync(file.fileno())
            sync_directory(self._place(loan.path).parent)
        except OSError as error:
            raise RefusedError(f"{loan.path} could not be written: {error.strerror}") from error

    def served(self, loan: TemporaryFile) -> bool:
        """Whether what the file was lent for has happened."""
        return self._place(loan.until).exists()

    def take_away(self, loan: TemporaryFile) -> None:
        """Removes the file if it is the lent one, or as much of it as was written.

        Raises:
            RefusedError: it is there and could not be removed.
        """
        place = self._place(loan.path)
        try:
            if place.is_symlink() or not place.is_file() or not loan.content.startswith(place.read_bytes()):
                return
            reach()
            place.unlink()
            sync_directory(place.parent)
            reach()
        except OSError as error:
            raise RefusedError(f"{loan.path} could not be taken away: {error.strerror}") from error

    def _place(self, path: str) -> Path:
        return Path(self._tree.place(path))
