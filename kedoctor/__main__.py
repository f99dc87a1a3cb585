"""The command: ``kedoctor``, ``kubectl kedoctor`` and ``python -m kedoctor``."""

from __future__ import annotations

from kedoctor.base.early_interrupt import ends_quietly

_loaded = ends_quietly()

import os  # noqa: E402  as below

if (
    "KEDOCTOR_COMPLETE" in os.environ
):  # a shell asks at each TAB: what follows would take longer than anybody waits
    from kedoctor.completion.answer import tell_shell

    tell_shell()

import errno  # noqa: E402  importing all that follows takes long enough for somebody to press Ctrl-C
import io  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import click  # noqa: E402

from kedoctor.base.errors import ExitCode, KedoctorError  # noqa: E402
from kedoctor.cli import command, speech, telling  # noqa: E402

_loaded()

__all__ = ["main"]

_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


class _Patient(io.FileIO):
    """Standard output whose reader (head, less) may go away: the command goes on and ends with the code it comes to."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def main() -> None:
    """Runs the command line and exits with the code the command came to."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Patient(sys.stdout.fileno(), "w", closefd=False)),
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
            line_buffering=sys.stdout.line_buffering,
        )
    code = _run(sys.argv[1:])
    ends_quietly()  # all that is left is to print what is buffered
    sys.exit(_flushed(code))


def _flushed(code: int) -> int:
    """The code, once standard output has what is still buffered, or 74 where it does not take that."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # Python would try once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return code or ExitCode.OUTPUT
    return code


def _run(arguments: list[str]) -> int:
    speech.listen(arguments)
    try:
        result = command.main(arguments, prog_name=_name(), standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        telling.show(speech.message("Interrupted."), err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        for line in speech.usage_error(error):
            telling.say(line, err=True)
        return ExitCode.USAGE
    except KedoctorError as error:
        telling.say(f"kedoctor: {speech.message(str(error))}", err=True)
        if error.hint:
            telling.say(f"  {speech.message(error.hint)}", err=True)
        return error.exit_code
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            return _internal(error)
        telling.show(
            f"kedoctor: {speech.message(f'the output could not be written: {error.strerror}')}", err=True
        )
        return ExitCode.OUTPUT
    except MemoryError:
        telling.show("kedoctor: this machine has too little memory left for it", err=True)
        return ExitCode.UNDETERMINED
    except Exception as error:  # noqa: BLE001  the last resort: one sentence instead of a traceback
        return _internal(error)
    return result if isinstance(result, int) else ExitCode.OK


def _internal(error: Exception) -> int:
    if os.environ.get("KEDOCTOR_DEBUG"):
        raise error
    telling.say(f"kedoctor: {speech.message('internal error')}: {type(error).__name__}: {error}", err=True)
    telling.show(f"  {speech.message('KEDOCTOR_DEBUG=1 shows where it happened.')}", err=True)
    return ExitCode.INTERNAL


def _name() -> str:
    return "kubectl kedoctor" if Path(sys.argv[0]).name == "kubectl-kedoctor" else "kedoctor"


if __name__ == "__main__":
    main()
