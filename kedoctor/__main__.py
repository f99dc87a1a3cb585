"""The command: ``kedoctor``, ``kubectl kedoctor`` and ``python -m kedoctor``."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import click

from kedoctor.cli import command
from kedoctor.errors import ExitCode, KedoctorError

__all__ = ["main"]

_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


def main() -> None:
    """Runs the command line and exits with the code the command came to."""
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    try:
        result = command.main(arguments, prog_name=_name(), standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except KedoctorError as error:
        click.echo(f"kedoctor: {error}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # The reader (head, less) went away; Python must not complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            return _internal(error)
        click.echo(f"kedoctor: the output could not be written: {error.strerror}", err=True)
        # What is still buffered cannot be written either, and Python would say so once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OUTPUT
    except Exception as error:  # noqa: BLE001  the last resort: one sentence instead of a traceback
        return _internal(error)
    return result if isinstance(result, int) else ExitCode.OK


def _internal(error: Exception) -> int:
    if os.environ.get("KEDOCTOR_DEBUG"):
        raise error
    click.echo(f"kedoctor: internal error: {type(error).__name__}: {error}", err=True)
    click.echo("  KEDOCTOR_DEBUG=1 shows where it happened.", err=True)
    return ExitCode.INTERNAL


def _name() -> str:
    return "kubectl kedoctor" if Path(sys.argv[0]).name == "kubectl-kedoctor" else "kedoctor"


if __name__ == "__main__":
    main()
