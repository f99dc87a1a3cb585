"""What can go wrong with a whole command, and the exit code each ends it with.

::

    KedoctorError                       70 internal
    ├── UsageError                      64 the command line asks for something that is not there
    ├── ConfigurationError              78 a file that steers kedoctor is unusable
    │   ├── BundleError                 78 an archive is truncated, foreign or unsafe
    │   └── KubeconfigError             78 a kubeconfig that was named explicitly cannot be used
    ├── UndeterminedError                3 nothing could be found out
    ├── ChangeError                      4 a fix or an undo failed or met a conflict
    └── OutputError                     74 what was found could not be written
"""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "BundleError",
    "ChangeError",
    "ConfigurationError",
    "ExitCode",
    "KedoctorError",
    "KubeconfigError",
    "OutputError",
    "UndeterminedError",
    "UsageError",
]


class ExitCode(IntEnum):
    """The exit codes of every kedoctor command; they are part of its interface."""

    OK = 0
    FAILED = 1
    WARNED = 2
    UNDETERMINED = 3
    CHANGE_FAILED = 4
    USAGE = 64
    INTERNAL = 70
    OUTPUT = 74
    CONFIGURATION = 78
    INTERRUPTED = 130


class KedoctorError(Exception):
    """An error that ends the command; ``str()`` is one sentence, ``hint`` the next step (may be empty)."""

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(KedoctorError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = ExitCode.USAGE


class ConfigurationError(KedoctorError):
    """A file that steers kedoctor is absent, unreadable or says something impossible."""

    exit_code = ExitCode.CONFIGURATION


class BundleError(ConfigurationError):
    """An archive that is truncated, foreign, unsafe or too large."""


class KubeconfigError(ConfigurationError):
    """A kubeconfig that was named explicitly and cannot be used."""


class UndeterminedError(KedoctorError):
    """Nothing could be found out."""

    exit_code = ExitCode.UNDETERMINED


class ChangeError(KedoctorError):
    """A fix or an undo failed, or found something else than it had left."""

    exit_code = ExitCode.CHANGE_FAILED


class OutputError(KedoctorError):
    """A report or bundle could not be written; the site was not touched."""

    exit_code = ExitCode.OUTPUT
