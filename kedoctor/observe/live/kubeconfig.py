"""Which API server to ask, and as whom: kubeconfig files found and merged as kubectl does it."""

from __future__ import annotations

import base64
import binascii
import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from kedoctor.base.errors import KubeconfigError
from kedoctor.base.input_files import read_whole
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.yaml.document import YamlError, load

__all__ = ["Found", "find_kubeconfig"]

K3S = "/etc/rancher/k3s/k3s.yaml"
RKE2 = "/etc/rancher/rke2/rke2.yaml"
MICROK8S = "/var/snap/microk8s/current/credentials/client.config"
KUBEADM = "/etc/kubernetes/admin.conf"
LIMIT = 4 << 20
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

_PATH_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_INSECURE = "insecure-skip-tls-verify"
_DATA_KEYS = ("certificate-authority-data", "client-certificate-data", "client-key-data")
_SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
_ADMINISTRATOR = "run kedoctor with sudo, or give --kubeconfig a copy that this user may read"
_SYSTEM_HINTS = {
    K3S: f"{_ADMINISTRATOR}, or start K3s with --write-kubeconfig-mode 644",
    RKE2: _ADMINISTRATOR,
    MICROK8S: _ADMINISTRATOR,
    KUBEADM: _ADMINISTRATOR,
}
_OF_THE_SYSTEM = tuple(_SYSTEM_HINTS)

Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Found:
    """A usable configuration: one cluster and one user of it, with every path absolute.

    ``origin`` is what named it (``--kubeconfig``, ``KUBECONFIG``, or the path itself). ``cluster`` and ``user`` hold
    the entries as the kubeconfig spells their keys; they contain credentials and stay out of ``repr()``.
    """

    origin: str
    paths: tuple[str, ...]
    context: str
    server: str
    user_name: str
    cluster: Mapping[str, Any] = field(repr=False)
    user: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        where = ":".join(self.paths)
        return f'context "{self.context}" of {where}' if self.context else where


class _UnusableError(Exception):
    """Why a kubeconfig cannot be used; ``hint`` is the next step."""

    def __init__(self, reason: Reason, what: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.what = what
        self.detail = detail
        self.hint = hint

    def unavailable(self) -> Unavailable:
        """The same as an answer."""
        return Unavailable(self.reason, self.what, "; ".join(filter(None, (self.detail, self.hint))))


def read_file(path: str) -> bytes:
    """The bytes of a file, at most :data:`LIMIT`; every failure is an :class:`OSError`."""
    try:
        return read_whole(Path(path), LIMIT)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from None


def find_kubeconfig(
    kubeconfig: str = "",
    context: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    root: str = "/",
    read: Read = read_file,
) -> Found | Unavailable:
    """The configuration that kubectl users expect, or why there is none.

    In this order, the first that exists: ``kubeconfig``, the files of ``KUBECONFIG`` merged, ``~/.kube/config``, the
    pod's service account, K3s' file, kubeadm's. Only the last two are passed over when this user may not read them.
    ``root`` is put before the paths of the system (not before the user's). ``not-configured`` when there is none.

    Raises:
        KubeconfigError: ``kubeconfig`` or ``context`` was given, and there is no usable configuration.
    """
    search = _Search(context, os.environ if environment is None else environment, root.rstrip("/"), read)
    try:
        return search.named(kubeconfig) if kubeconfig else search.usual()
    except _UnusableError as error:
        if kubeconfig or context:
            raise KubeconfigError(f"{error.what}: {error.detail}", hint=error.hint) from None
        return error.unavailable()


@dataclass(frozen=True, slots=True)
class _Search:
    """One look for a configuration."""

    context: str
    environment: Mapping[str, str]
    root: str
    read: Read

    def named(self, path: str) -> Found:
        path = self._absolute(path)
        try:
            documents = [(path, self._document(path))]
        except FileNotFoundError:
            raise _UnusableError(
                Reason.ABSENT, path, "the kubeconfig that was named does not exist"
            ) from None
        found = self._choose("--kubeconfig", documents)
        if found is None:
            raise _UnusableError(Reason.INVALID, path, "the kubeconfig that was named has no contexts")
        return found

    def usual(self) -> Found:
        named = self.environment.get("KUBECONFIG", "")
        if named.strip(os.pathsep):
            return self._from_environment(named)
        home = self._of_home()
        found = self._choose(home, self._present([home])) or self._in_cluster()
        return found or self._of_the_system(home)

    def _from_environment(self, value: str) -> Found:
        paths = [self._absolute(path) for path in value.split(os.pathsep) if path]
        found = self._choose("KUBECONFIG", self._present(paths))
        if found is None:
            names = " and ".join(paths)
            detail = f"KUBECONFIG names {names}, where there is no configuration"
            raise _UnusableError(
                Reason.NOT_CONFIGURED, "kubeconfig", detail, "unset KUBECONFIG or correct it"
            )
        return found

    def _of_the_system(self, home: str) -> Found:
        refused: _UnusableError | None = None
        for path in _OF_THE_SYSTEM:
            try:
                found = self._choose(path, self._present([self.root + path]))
            except _UnusableError as error:
                if error.reason is not Reason.PERMISSION:
                    raise
                refused = refused or _UnusableError(
                    error.reason, error.what, error.detail, _SYSTEM_HINTS[path]
                )
                continue
            if found is not None:
                return found
        raise refused or self._nowhere(home)

    def _nowhere(self, home: str) -> _UnusableError:
        detail = (
            f"KUBECONFIG is not set, {', '.join((home, *_OF_THE_SYSTEM))} do not exist, and this is not a pod"
        )
        callers = self._home_of_caller()
        hint = f"under sudo the home is {self._home()}: give --kubeconfig {callers}" if callers else ""
        return _UnusableError(Reason.NOT_CONFIGURED, "kubeconfig", detail, hint)

    def _home(self) -> str:
        return self.environment.get("HOME") or "/root"

    def _of_home(self) -> str:
        return str(Path(self._home()) / ".kube" / "config")

    def _home_of_caller(self) -> str:
        """The kubeconfig of whoever called sudo, if it is there."""
        caller = self.environment.get("SUDO_USER", "")
        path = f"/home/{caller}/.kube/config"
        try:
            return path if caller and "/" not in caller and self.read(path) else ""
        except OSError:
            return ""

    def _absolute(self, path: str) -> str:
        if path == "~" or path.startswith("~/"):
            path = self._home() + path[1:]
        return os.path.normpath(path if Path(path).is_absolute() else Path.cwd() / path)

    def _present(self, paths: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        documents = []
        for path in paths:
            try:
                documents.append((path, self._document(path)))
            except FileNotFoundError:
                continue
        return documents

    def _document(self, path: str) -> dict[str, Any]:
        try:
            return load(self.read(path)).data
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except PermissionError:
            hint = f"sudo chown $(id -u):$(id -g) {path}" if path == self._of_home() else _ADMINISTRATOR
            raise _UnusableError(Reason.PERMISSION, path, f"{_who()} may not read it", hint) from None
        except YamlError as error:
            raise _UnusableError(Reason.INVALID, path, f"it is not YAML of a kubeconfig: {error}") from None
        except OSError as error:
            raise _UnusableError(Reason.ERROR, path, f"it cannot be read: {error.strerror}") from None

    def _in_cluster(self) -> Found | None:
        host = self.environment.get("KUBERNETES_SERVICE_HOST", "")
        port = self.environment.get("KUBERNETES_SERVICE_PORT", "")
        account = self.root + SERVICE_ACCOUNT
        if not host or not port or self.context:
            return None
        try:
            self.read(f"{account}/token")
        except OSError:
            return None
        server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        cluster = {"server": server, "certificate-authority": f"{account}/ca.crt"}
        user = {"tokenFile": f"{account}/token"}
        return Found("in-cluster", (account,), "", server, "the pod's service account", cluster, user)

    def _choose(self, origin: str, documents: Sequence[tuple[str, dict[str, Any]]]) -> Found | None:
        """The context that counts; ``None`` when the files hold nothing at all."""
        merged = _Merged(documents)
        if not merged.entries["contexts"] and not merged.entries["clusters"]:
            return None
        name = self.context or merged.current
        context = merged.context(name, explicit=bool(self.context))
        cluster = merged.entry("clusters", _text(context, "cluster", merged.what), name)
        user_name = _text(context, "user", merged.what)
        user = merged.entry("users", user_name, name) if user_name else {}
        self._check(merged.what, {**cluster, **user})
        server = _server(cluster, user, merged.what)
        return Found(origin, tuple(path for path, _ in documents), name, server, user_name, cluster, user)

    def _check(self, what: str, entry: Mapping[str, Any]) -> None:
        """Everything that can be known to be unusable without asking the server."""
        for key in ("token", "username", "password", "proxy-url", "tls-server-name"):
            _text(entry, key, what)
        if not isinstance(entry.get(_INSECURE), bool | None):
            _invalid(what, f"its {_INSECURE} is neither true nor false")
        for key in _DATA_KEYS:
            _decoded(what, key, _text(entry, key, what))
        for key in _PATH_KEYS:
            path = _text(entry, key, what)
            if path and not _text(entry, f"{key}-data", what):
                self._check_file(what, key, path)

    def _check_file(self, what: str, key: str, path: str) -> None:
        try:
            self.read(path)
        except PermissionError:
            detail = f"{_who()} may not read its {key} {path}"
            raise _UnusableError(Reason.PERMISSION, what, detail, _ADMINISTRATOR) from None
        except OSError as error:
            raise _UnusableError(Reason.INVALID, what, f"its {key} {path}: {error.strerror}") from None


class _Merged:
    """Several kubeconfigs as one: what stands first counts, and relative paths start at their own file."""

    def __init__(self, documents: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self.what = ":".join(path for path, _ in documents) or "kubeconfig"
        self.current = ""
        self.entries: dict[str, dict[str, dict[str, Any]]] = {section: {} for section in _SECTIONS}
        for path, document in documents:
            self.current = self.current or _text(document, "current-context", path)
            for section, key in _SECTIONS.items():
                for name, entry in _named(path, document, section, key):
                    self.entries[section].setdefault(name, _resolved(entry, str(Path(path).parent)))

    def context(self, name: str, *, explicit: bool) -> dict[str, Any]:
        contexts = self.entries["contexts"]
        if name in contexts:
            return contexts[name]
        known = f"it has {', '.join(sorted(contexts))}" if contexts else "it has no contexts"
        if explicit:
            hint = "kubectl config get-contexts lists them"
            raise _UnusableError(Reason.ABSENT, self.what, f'there is no context "{name}": {known}', hint)
        detail = (
            f'its current-context "{name}" is not there: {known}'
            if name
            else f"it sets no current-context: {known}"
        )
        raise _UnusableError(Reason.INVALID, self.what, detail, "choose one with --context")

    def entry(self, section: str, name: str, context: str) -> dict[str, Any]:
        try:
            return self.entries[section][name]
        except KeyError:
            detail = f'context "{context}" names the {_SECTIONS[section]} "{name}", which is not there'
            raise _UnusableError(Reason.INVALID, self.what, detail) from None


def _who() -> str:
    return f"the user with id {os.geteuid()}"


def _invalid(what: str, detail: str) -> NoReturn:
    raise _UnusableError(Reason.INVALID, what, detail) from None


def _text(mapping: Mapping[str, Any], key: str, what: str) -> str:
    value = mapping.get(key)
    if value is not None and not isinstance(value, str):
        _invalid(what, f"its {key} is not a string")
    return value or ""


def _named(
    path: str, document: Mapping[str, Any], section: str, key: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    items = document.get(section) or []
    if not isinstance(items, list):
        _invalid(path, f"its {section} are not a list")
    for item in items:
        entry = (item.get(key) or {}) if isinstance(item, dict) else None
        if not isinstance(entry, dict) or not isinstance(item.get("name"), str):
            _invalid(path, f"its {section} hold an entry without name and {key}")
        yield item["name"], entry


def _resolved(entry: dict[str, Any], base: str) -> dict[str, Any]:
    entry = dict(entry)
    for key in _PATH_KEYS:
        if isinstance(entry.get(key), str) and entry[key]:
            entry[key] = os.path.normpath(Path(base) / entry[key])
    plugin = entry.get("exec")
    command = plugin.get("command") if isinstance(plugin, dict) else None
    if isinstance(command, str) and "/" in command:
        entry["exec"] = {**entry["exec"], "command": os.path.normpath(Path(base) / command)}
    return entry


def _decoded(what: str, key: str, value: str) -> None:
    try:
        decoded = base64.b64decode(value, validate=False)
    except (binascii.Error, ValueError):
        _invalid(what, f"its {key} is not base64")
    if value and b"-----BEGIN " not in decoded:
        _invalid(what, f"its {key} holds no PEM block")


def _server(cluster: Mapping[str, Any], user: Mapping[str, Any], what: str) -> str:
    """The server's URL without user information; without a scheme it is HTTPS where anything speaks of TLS."""
    server = _text(cluster, "server", what).rstrip("/")
    if not server:
        _invalid(what, "its cluster has no server")
    if "://" not in server:
        tls = any(
            key in {**cluster, **user} for key in (*_PATH_KEYS[:3], *_DATA_KEYS, "insecure-skip-tls-verify")
        )
        server = f"{'https' if tls else 'http'}://{server}"
    try:
        parts = urlsplit(server)
        port = parts.port
    except ValueError:
        _invalid(what, "its server is not a URL")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        _invalid(what, "its server is not an HTTP or HTTPS URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"
