"""Credentials that have to be made: exec plugins, OIDC and cloud auth providers, as the ``kubernetes`` client has them.

The client is the extra ``kubernetes``: most hosts have a kubeconfig with a certificate or a token and do without it.

This is the only module that imports the client, and only when a kubeconfig's user needs it: the import alone costs a
quarter of a second and 30 to 60 MB. Versions 30 to 37 of the client give the same here, because no typed model is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from kedoctor.base.input_files import open_plain, read_plain
from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.api_errors import ApiFailure, one_line
from kedoctor.observe.live.kubeconfig import LIMIT, Found

__all__ = ["CredentialPlugin", "Made"]


_MARK = "KEDOCTOR_PLUGIN_RUN"
_ROUNDS = 20  # what is being started while the others are killed is found in the next one
_MOST_ENVIRONMENT = 1 << 22
_INSTALL = "install it with: pip install 'kedoctor[kubernetes]'"


@dataclass(frozen=True, slots=True)
class Made:
    """What a plugin made: the Authorization header, and a client certificate with its key (PEM), or neither."""

    header: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


class CredentialPlugin:
    """The plugin of one user, which may take ``time`` seconds; not safe to use from several threads at once."""

    def __init__(self, found: Found, hide: Callable[[str], str], *, time: float) -> None:
        self._found = found
        self._hide = hide
        self._time = time
        self._configuration: Any = None
        self._mark = secrets.token_hex(16)

    def make(self) -> Made:
        """Credentials that hold now; the plugin is run again when those it gave before are about to end.

        Raises:
            ApiFailure: it gave none, or took longer than it may.
        """
        made: list[Made] = []
        messages: list[str] = []
        absent: list[ImportError] = []

        def work() -> None:
            with _Messages() as heard:
                try:
                    made.append(self._ask())
                except ImportError as error:
                    absent.append(error)
                except Exception as error:  # noqa: BLE001  the client raises anything; all of it is told below
                    messages.append(f"{type(error).__name__}: {error}")
                messages.extend(heard.lines)

        thread = threading.Thread(target=work, daemon=True, name="credentials")
        thread.start()
        thread.join(self._time)
        if thread.is_alive():
            _end_marked(self._mark)
            raise ApiFailure(Reason.TIMEOUT, f"{self._name()} did not end within {self._time:g} s")
        if absent:
            raise ApiFailure(
                Reason.TOOL_MISSING, f"{self._name()} needs the Python package kubernetes; {_INSTALL}"
            )
        if not made or not (made[0].header or made[0].certificate):
            said = one_line(self._hide(": ".join(messages)) or "it gave no credentials")
            raise ApiFailure(Reason.UNAUTHORIZED, f"{self._name()} failed: {said}")
        return made[0]

    def _ask(self) -> Made:
        configuration = self._configuration
        if configuration is None:
            configuration = self._configuration = _configuration(self._found, self._mark)
        settings: Any = configuration.auth_settings()
        header = settings.get("BearerToken", {}).get("value") or ""
        if not (configuration.cert_file and configuration.key_file):
            return Made(header)
        files = (Path(configuration.cert_file), Path(configuration.key_file))
        return Made(header, *(read_plain(one, LIMIT) for one in files))

    def _name(self) -> str:
        plugin = self._found.user.get("exec")
        if isinstance(plugin, dict):
            return f'the credential plugin "{plugin.get("command")}"'
        return "the auth-provider of the kubeconfig"


def _configuration(found: Found, mark: str) -> Any:
    from kubernetes.client import Configuration  # noqa: PLC0415
    from kubernetes.config import load_kube_config_from_dict  # noqa: PLC0415

    load: Any = load_kube_config_from_dict
    configuration = Configuration()
    load(
        _document(found, mark),
        client_configuration=configuration,
        persist_config=False,
        temp_file_path=_scratch(),
    )
    return configuration


def _document(found: Found, mark: str) -> dict[str, Any]:
    """A kubeconfig of this cluster and user only, without the certificates that we read ourselves."""
    user = {key: value for key, value in found.user.items() if not key.startswith("client-")}
    plugin = user.get("exec")
    if isinstance(plugin, dict):
        variables = plugin.get("env") or []
        named = variables if isinstance(variables, list) else []
        user["exec"] = {**plugin, "env": [*named, {"name": _MARK, "value": mark}]}
    with_cluster = isinstance(plugin, dict) and plugin.get("provideClusterInfo")
    cluster = {**(found.cluster if with_cluster else {}), "server": found.server}
    name = found.context or "kedoctor"
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
    }


_scratch_directory: list[tempfile.TemporaryDirectory[str]] = []


def _scratch() -> str:
    """Where the client may put keys that a plugin gave: in memory, gone when the process ends."""
    if not _scratch_directory:
        memory = "/dev/shm"  # noqa: S108  a directory of our own is made in it
        where = memory if os.access(memory, os.W_OK) else None
        _scratch_directory.append(tempfile.TemporaryDirectory(prefix="kedoctor-", dir=where))
    return _scratch_directory[0].name


def _end_marked(mark: str) -> None:
    """Kills what a plugin that hangs has started, and what that has: all of it inherits the mark in its environment."""
    wanted = f"{_MARK}={mark}".encode()
    for _ in range(_ROUNDS):
        found = [number for name in os.listdir("/proc") if (number := _marked(name, wanted))]  # noqa: PTH208  names only
        for number in found:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        if not found:
            return


def _marked(name: str, wanted: bytes) -> int:
    """The number of a process that has the variable; 0 if it has not."""
    try:
        with open_plain(f"/proc/{name}/environ") as file:
            return int(name) if wanted in file.read(_MOST_ENVIRONMENT).split(b"\0") else 0
    except (OSError, ValueError):
        return 0


class _Messages(logging.Handler):
    """What this thread logs to the root logger: there the client says that a plugin failed, and goes on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message if it is this thread's."""
        if record.thread == self._thread and record.name == "root":
            self.lines.append(record.getMessage())

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
