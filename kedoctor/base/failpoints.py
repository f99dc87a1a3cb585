"""Places where tests end the process or refuse a write, to see that nothing is lost there.

``KEDOCTOR_FAILPOINT=7`` kills the process (SIGKILL) at the seventh place reached; ``KEDOCTOR_FAILPOINT=7:ENOSPC``
raises that error there instead. Without the variable a place costs one look into the environment.
"""

from __future__ import annotations

import errno
import os
import signal

__all__ = ["reach"]

_reached = 0


def reach() -> None:
    """A place at which a process may die or a write may fail.

    Raises:
        OSError: as the variable says.
    """
    global _reached  # noqa: PLW0603  the count is the process's
    wanted = os.environ.get("KEDOCTOR_FAILPOINT")
    if not wanted:
        return
    _reached += 1
    number, _, name = wanted.partition(":")
    if _reached != int(number):
        return
    if not name:
        os.kill(os.getpid(), signal.SIGKILL)
    code = getattr(errno, name)
    raise OSError(code, os.strerror(code))
