"""The configuration file: defaults for options, read strictly; what stands on the command line wins.

One file is read: the one named by ``--config``, else by ``KEDOCTOR_CONFIG`` (empty: none), else the user's, else the
machine's. Keys are the long names of options::

    lang: zh
    fail-on: warn
    skip: [KE804, KE9xx]
    baseline: accepted.yaml     # paths are relative to this file
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kedoctor.base.errors import ConfigurationError, UsageError
from kedoctor.cli.durations import duration
from kedoctor.model.declarations import Risk

if TYPE_CHECKING:
    from kedoctor.base.strict_yaml import SteeringFile

__all__ = ["ENVIRONMENT", "KEYS", "MACHINE", "Configuration", "given", "option", "used"]

ENVIRONMENT = "KEDOCTOR_CONFIG"
MACHINE = Path("/etc/kedoctor/config.yaml")

_META = "kedoctor.configuration"
_Reader = Callable[["SteeringFile", str, Any], Any]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The file that was read, and the defaults it gives, by the names of parameters."""

    path: Path
    keys: tuple[str, ...]
    defaults: dict[str, Any]


def _text(file: SteeringFile, key: str, value: Any) -> str:
    return file.text([key], value)


def _path(file: SteeringFile, key: str, value: Any) -> str:
    try:
        return str(file.path.parent / Path(file.text([key], value)).expanduser())
    except RuntimeError:  # ~somebody, whom this host does not know
        raise file.wrong([key], f"{key}: nobody has the home directory of {value!r}") from None


def _many(file: SteeringFile, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return (file.text([key], value),)
    return tuple(file.text([key, place], one) for place, one in enumerate(value))


def _switch(file: SteeringFile, key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise file.wrong([key], f"{key} is true or false, not {value!r}")
    return value


def _duration(file: SteeringFile, key: str, value: Any) -> str:
    try:
        duration(str(value))
    except UsageError as error:
        raise file.wrong([key], f"{key}: {error}", hint=error.hint) from None
    return str(value)


def _one_of(*known: str) -> _Reader:
    def read(file: SteeringFile, key: str, value: Any) -> str:
        if value not in known:
            raise file.wrong([key], f"{key} is one of {', '.join(known)}, not {value!r}")
        return str(value)

    return read


def _each_of(*known: str) -> _Reader:
    read = _one_of(*known)

    def each(file: SteeringFile, key: str, value: Any) -> tuple[str, ...]:
        return tuple(read(file, key, one) for one in (value if isinstance(value, list) else [value]))

    return each


KEYS: dict[str, tuple[str, _Reader]] = {
    "only": ("only", _many),
    "skip": ("skip", _many),
    "symptom": ("symptoms", _many),
    "node": ("nodes", _many),
    "side": ("side", _one_of("auto", "cloud", "edge")),
    "fail-on": ("fail_on", _one_of("warn", "fail", "unknown")),
    "timeout": ("timeout", _duration),
    "wait": ("wait", _duration),
    "baseline": ("baseline", _path),
    "allow": ("allow", _each_of(*(risk.value for risk in Risk))),
    "verbose": ("verbose", _switch),
    "format": ("format_name", _text),
    "lang": ("lang", _one_of("en", "zh")),
    "kubeconfig": ("kubeconfig", _path),
    "context": ("context", _text),
}
"""Each key with the parameter that it is the default of, and how its value is read."""

_ONLY_FOR = {"format_name": ("run",)}
"""Elsewhere the same name has other values."""


def option() -> click.Option:
    """``--config``, for every command: it is taken first, and gives the other options their defaults."""
    return click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_load,
        help=f"Defaults for options [default: {ENVIRONMENT}, ~/.config/kedoctor/config.yaml, {MACHINE}].",
    )


def used() -> Configuration | None:
    """The configuration of the command that runs."""
    found: Configuration | None = click.get_current_context().meta.get(_META)
    return found


def given(parameter: str) -> bool:
    """Whether a person typed this option, so that it is meant for this run and not in general."""
    return click.get_current_context().get_parameter_source(parameter) is ParameterSource.COMMANDLINE


def _load(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    del param
    named = value if value is not None else _named()
    path = named if named is not None else _found()
    if path is None or path == Path():
        return
    configuration = _read(path)
    ctx.meta[_META] = configuration
    ctx.default_map = {
        name: default
        for name, default in configuration.defaults.items()
        if (ctx.info_name or "") in _ONLY_FOR.get(name, (ctx.info_name or "",))
    }


def _named() -> Path | None:
    return Path(os.environ[ENVIRONMENT]) if ENVIRONMENT in os.environ else None


def _found() -> Path | None:
    named = os.environ.get("XDG_CONFIG_HOME")
    own = Path(named or f"{os.environ.get('HOME', '')}/.config", "kedoctor", "config.yaml")
    for path in (own, MACHINE):
        if not _there(path):
            continue
        unsafe = _unsafe(path)
        if unsafe:
            raise ConfigurationError(
                f"{path} is not used: {unsafe}", hint=f"name it with --config, or set {ENVIRONMENT}= for none"
            )
        return path
    return None


def _there(path: Path) -> bool:
    try:
        return path.is_absolute() and path.is_file()
    except OSError:  # the home of somebody else, as sudo -u leaves it
        return False


def _unsafe(path: Path) -> str:
    """Why a file that nobody named must not decide what a tool does that often runs as root."""
    facts = path.stat()
    if facts.st_uid not in (0, os.geteuid()):
        return "it belongs to another user"
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others than its owner can write it"
    return ""


def _read(path: Path) -> Configuration:
    from kedoctor.base.strict_yaml import read_steering  # noqa: PLC0415  most hosts have no such file

    file = read_steering(path, "configuration")
    found: dict[str, Any] = file.document.data
    keys: Sequence[str] = tuple(KEYS)
    file.refuse_unknown([], found, keys)
    defaults = {KEYS[key][0]: KEYS[key][1](file, key, value) for key, value in found.items()}
    return Configuration(path, tuple(found), defaults)
