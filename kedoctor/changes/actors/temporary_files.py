"""Files that are there only while something starts: a one-time token, say."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kedoctor.base.atomic_files import create_file
from kedoctor.base.directories import PlaceError, held
from kedoctor.base.failpoints import reach
from kedoctor.base.input_files import read_plain
from kedoctor.model.actions.units import TemporaryFile
from kedoctor.model.actors import RefusedError
from kedoctor.observe.live.files import FileTree

__all__ = ["TemporaryFiles"]


class TemporaryFiles:
    """Puts files in place under a root and takes them away again, whatever happens in between."""

    def __init__(self, root: str = "/") -> None:
        self._tree = FileTree(root)
        self._root = root

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
        try:
            create_file(loan.path, loan.content, root=self._root)
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
        try:
            with held(loan.path, root=self._root, alone=True, follow=False) as place:
                found = read_plain(place.name, len(loan.content), follow=False, directory=place.directory)
                if not loan.content.startswith(found):
                    return
                reach()
                place.remove()
                reach()
        except (FileNotFoundError, NotADirectoryError):
            return
        except PlaceError:
            return  # it is not the lent one
        except OSError as error:
            if error.errno == errno.ELOOP:
                return
            raise RefusedError(f"{loan.path} could not be taken away: {error.strerror}") from error

    def _place(self, path: str) -> Path:
        return Path(self._tree.place(path))
