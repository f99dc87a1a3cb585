"""How kube-apiserver on one host was told to reach kubelets (facts.md §3.1, §8.5).

A kube-apiserver of its own shows its flags in the process table. K3s overwrites its arguments there, so they are
put together the way ``k3s server`` does it: ``config.yaml``, then ``config.yaml.d/*.yaml`` in order of their names
(a later file replaces a key, ``key+`` appends to it), then the command line of the unit, whose single values win
and whose lists are added (k3s: pkg/configfilearg/parser.go). ``kube-apiserver-arg`` then replaces what K3s would
have set by itself (k3s: pkg/daemons/control/server.go). RKE2 runs kube-apiserver as a static pod, whose process shows
all flags (facts.md §12.3). MicroK8s has it inside kubelite, which reads its flags from a file (facts.md §12.4).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from kedoctor.api import File, Host, Process, Reason, Unavailable, Unit, fact, require
from kedoctor.api.yaml import YamlDocument, YamlError, load
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses

__all__ = [
    "DEFAULT_EGRESS_MODE",
    "K3S_CONFIG",
    "ApiserverArguments",
    "KubeletCa",
    "Setting",
    "apiserver_arguments",
    "kubelet_ca",
]

K3S_CONFIG = "/etc/rancher/k3s/config.yaml"
K3S_UNIT = "k3s.service"
DEFAULT_EGRESS_MODE = "agent"
"""What ``k3s server`` does without ``--egress-selector-mode`` (facts.md §8.5)."""

_DATA_DIR = "/var/lib/rancher/k3s"
_MICROK8S_ARGS = "/var/snap/microk8s/current/args/kube-apiserver"
_ADDRESS_TYPES = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")
_LISTS = frozenset({"kube-apiserver-arg"})
_ROUNDING = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it is written (a file with its line, a unit, a process, or ``default``)."""

    value: str
    source: str = "default"


@dataclass(frozen=True, slots=True)
class ApiserverArguments:
    """What this host's kube-apiserver was given.

    ``flags`` are flags of kube-apiserver itself (for K3s: of ``kube-apiserver-arg`` laid over what K3s sets);
    ``server`` those of ``k3s server``, empty elsewhere. ``changed`` is when a file they come from was last
    written, ``started`` when the process started, both ``None`` where not known. ``config`` is the base file of
    K3s' configuration, whether it is there or not; fragments are in ``config + ".d"``.
    ``complete`` is whether all flags were read, so that one that is not there has its default.
    """

    is_k3s: bool
    flags: Mapping[str, Setting] = field(default_factory=dict)
    server: Mapping[str, Setting] = field(default_factory=dict)
    changed: datetime | None = None
    started: datetime | None = None
    config: str = K3S_CONFIG
    is_microk8s: bool = False
    complete: bool = False

    @property
    def is_rke2(self) -> bool:
        """Whether kube-apiserver is RKE2's: all that it is given lies in RKE2's data directory (facts.md §12.3)."""
        return not self.is_k3s and "/rke2/" in self._text("tls-cert-file")

    @property
    def egress_selector_file(self) -> str:
        """The file of ``--egress-selector-config-file``; empty where kube-apiserver was given none."""
        return "" if self.is_k3s else self._text("egress-selector-config-file")

    @property
    def data_directory(self) -> str:
        """K3s: where the server keeps its data."""
        return _data_directory(self.server)

    @property
    def egress_selector_mode(self) -> str:
        """K3s: ``agent`` (the default), ``cluster``, ``pod`` or ``disabled``; any other distribution: ``disabled``.

        A kube-apiserver with an ``--egress-selector-config-file`` of its own is ``configured``.
        """
        if self.is_k3s:
            written = self.server.get("egress-selector-mode")
            return written.value if written is not None and written.value else DEFAULT_EGRESS_MODE
        return "configured" if self._text("egress-selector-config-file") else "disabled"

    @property
    def kubelet_certificate_authority(self) -> str | None:
        """The file whose CA must have signed what answers for a kubelet; ``None``: nothing is verified."""
        return self._text("kubelet-certificate-authority") or None

    @property
    def kubelet_preferred_address_types(self) -> tuple[str, ...]:
        """The order in which addresses of a Node are tried."""
        written = self._text("kubelet-preferred-address-types")
        return tuple(part.strip() for part in written.split(",") if part.strip()) or _ADDRESS_TYPES

    def source(self, name: str) -> str:
        """Where a flag (of kube-apiserver or of ``k3s server``) is written; ``default`` when nowhere."""
        setting = self.server.get(name) or self.flags.get(name)
        return setting.source if setting is not None else "default"

    @property
    def edited_after_start(self) -> bool:
        """Whether a file was written after the process started, so that what it says may not be in force."""
        if self.changed is None or self.started is None:
            return False
        # The kernel tells the start of a process by whole seconds since the epoch, rounded down.
        return self.changed - self.started > _ROUNDING

    def _text(self, name: str) -> str:
        setting = self.flags.get(name)
        return setting.value if setting is not None else ""


@fact
def apiserver_arguments(
    host: Host, processes: CloudProcesses | Unavailable
) -> ApiserverArguments | Unavailable:
    """Arguments with the source of each, from whichever of kube-apiserver and K3s is on this host."""
    apiserver = None if isinstance(processes, Unavailable) else processes.apiserver
    if apiserver is not None:
        source = f"command line of kube-apiserver (pid {apiserver.pid})"
        flags = {name: Setting(value, source) for name, value in _pairs(apiserver.argv[1:])}
        return ApiserverArguments(is_k3s=False, flags=flags, started=apiserver.started)
    kubelite = None if isinstance(processes, Unavailable) else processes.kubelite
    if kubelite is not None:
        return _microk8s(host, kubelite)
    unit = host.unit(K3S_UNIT)
    loaded = isinstance(unit, Unit) and unit.load_state == "loaded"
    k3s = None if isinstance(processes, Unavailable) else processes.k3s
    if not loaded and k3s is None:
        if isinstance(processes, Unavailable):
            return processes
        what = "the arguments of kube-apiserver"
        return Unavailable(
            Reason.ABSENT, what, "neither kube-apiserver nor k3s server nor kubelite runs on this host"
        )
    words = _server_words(k3s.argv if k3s is not None else ())
    source = f"command line of k3s (pid {k3s.pid})" if k3s is not None else ""
    if not words and isinstance(unit, Unit) and loaded:
        words, source = _server_words(unit.exec_start), f"ExecStart of {unit.fragment_path or K3S_UNIT}"
    started = k3s.started if k3s is not None else None
    return _k3s(host, unit if isinstance(unit, Unit) and loaded else None, words, source, started)


def _microk8s(host: Host, process: Process) -> ApiserverArguments:
    """One flag a line, ``#`` begins a comment; variables of the snap stand for its directories (microk8s: default-args)."""
    own = dict(_pairs(process.argv[1:]))
    path = own.get("apiserver-args-file", _MICROK8S_ARGS)
    file = require(host.read(path))
    data = PurePosixPath(path).parent.parent
    variables = {
        "SNAP_DATA": str(data),
        "SNAP_COMMON": str(data.parent / "common"),
        "SNAP": f"/snap/microk8s/{data.name}",
    }
    flags = {}
    for number, line in enumerate(file.text().splitlines(), 1):
        words = _expanded(line.strip(), variables)
        for name, value in _pairs([words]) if words.startswith("--") else ():
            flags[name] = Setting(value, f"{path}, line {number}")
    return ApiserverArguments(
        is_k3s=False,
        flags=flags,
        changed=file.metadata.modified,
        started=process.started,
        config=path,
        is_microk8s=True,
        complete=not file.truncated,
    )


def _expanded(line: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        line = line.replace(f"${{{name}}}", value)
    for name in sorted(variables, key=len, reverse=True):
        line = line.replace(f"${name}", variables[name])
    return line


@dataclass(frozen=True, slots=True)
class KubeletCa:
    """The file that ``--kubelet-certificate-authority`` names: its path and its certificates in PEM."""

    path: str
    pem: bytes


@fact
def kubelet_ca(host: Host, arguments: ApiserverArguments) -> KubeletCa | Unavailable:
    """The CA against which kube-apiserver verifies what answers for a kubelet; ``absent`` where none is set."""
    path = arguments.kubelet_certificate_authority
    if path is None:
        what = "the flag kubelet-certificate-authority"
        return Unavailable(Reason.ABSENT, what, "kube-apiserver does not verify kubelets")
    return KubeletCa(path, require(host.read(path)).data)


def _server_words(argv: Sequence[str]) -> tuple[str, ...]:
    """What follows ``server`` in a command line, which K3s' own process title may hold as one word."""
    words = tuple(word for part in argv for word in ([part] if part.startswith("-") else part.split()))
    return words[words.index("server") + 1 :] if "server" in words else ()


def _k3s(
    host: Host, unit: Unit | None, words: Sequence[str], source: str, started: datetime | None
) -> ApiserverArguments:
    base = _config_path(host, unit, words)
    documents = list(_documents(host, base))
    merged = _merged([(path, document) for path, document, _ in documents])
    for name, value in _pairs(words):
        if name not in _LISTS:
            merged[name] = []
        merged.setdefault(name, []).append(Setting(value, source))
    server = {name: values[-1] for name, values in merged.items() if values}
    return ApiserverArguments(
        is_k3s=True,
        flags=_laid_over(_k3s_own(server), merged.get("kube-apiserver-arg", [])),
        server={name: setting for name, setting in server.items() if name not in _LISTS},
        changed=max((modified for _, _, modified in documents), default=None),
        started=started or (unit.started if unit is not None else None),
        config=base,
    )


def _config_path(host: Host, unit: Unit | None, words: Sequence[str]) -> str:
    """Where K3s looks for its configuration: ``K3S_CONFIG_FILE``, else ``--config``, else the usual place."""
    named = _environment(host, unit).get("K3S_CONFIG_FILE", "")
    given = [value for name, value in _pairs(words) if name in {"config", "c"}]
    return named or (given[0] if given else K3S_CONFIG)


def _environment(host: Host, unit: Unit | None) -> dict[str, str]:
    """The variables that systemd gives the unit; later ones win, files after what is in the unit itself."""
    if unit is None:
        return {}
    lines = list(unit.environment)
    for path in unit.environment_files:
        file = host.read(path.lstrip("-"))
        lines += file.text().splitlines() if isinstance(file, File) else []
    found = {}
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith(("#", ";")):
            found[name.strip()] = value.strip().strip("\"'")
    return found


def _documents(host: Host, base: str) -> Iterator[tuple[str, YamlDocument, datetime]]:
    """The base file, if there is one, and the fragments beside it by name; K3s takes .yaml and .yml."""
    found = host.find(f"{base}.d/*")
    names = (
        []
        if isinstance(found, Unavailable)
        else [entry.path for entry in found.entries if entry.kind != "directory"]
    )
    if isinstance(found, Unavailable) and found.reason is not Reason.ABSENT:
        require(found)
    fragments = sorted(
        (path for path in names if path.lower().endswith((".yaml", ".yml"))),
        key=lambda path: PurePosixPath(path).name,
    )
    for path in (base, *fragments):
        file = host.read(path)
        if isinstance(file, Unavailable) and path == base and file.reason is Reason.ABSENT:
            continue
        read = require(file)
        try:
            yield path, load(read.data), read.metadata.modified
        except YamlError as error:
            require(Unavailable(Reason.INVALID, path, str(error)))


def _merged(documents: Sequence[tuple[str, YamlDocument]]) -> dict[str, list[Setting]]:
    """The values of every key as K3s merges them: ``key`` replaces, ``key+`` appends."""
    merged: dict[str, list[Setting]] = {}
    for path, document in documents:
        for key, value in document.data.items():
            name = key.removesuffix("+")
            values = [Setting(text, source) for text, source in _values(path, document, key, value)]
            merged[name] = merged.get(name, []) + values if key.endswith("+") else values
    return merged


def _values(path: str, document: YamlDocument, key: str, value: Any) -> Iterator[tuple[str, str]]:
    items = value if isinstance(value, list) else [value]
    for place, item in enumerate(items):
        position = document.position((key, place)) if isinstance(value, list) else document.position((key,))
        yield _text(item), f"{path}, line {position.line}" if position else path


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _data_directory(server: Mapping[str, Setting]) -> str:
    return server["data-dir"].value if "data-dir" in server else _DATA_DIR


def _k3s_own(server: Mapping[str, Setting]) -> dict[str, Setting]:
    """The flags K3s sets for kube-apiserver by itself, as far as they are judged."""
    directory = _data_directory(server)
    external = server.get("flannel-external-ip")
    first = "ExternalIP,InternalIP" if external and external.value == "true" else "InternalIP,ExternalIP"
    own = "set by K3s itself"
    return {
        "kubelet-certificate-authority": Setting(f"{directory}/server/tls/server-ca.crt", own),
        "kubelet-preferred-address-types": Setting(f"{first},Hostname", own),
    }


def _laid_over(own: dict[str, Setting], given: Sequence[Setting]) -> dict[str, Setting]:
    """K3s' own flags with those of ``kube-apiserver-arg`` in their place; ``name+=`` adds, ``name-=`` puts first."""
    flags = dict(own)
    for setting in given:
        written, equals, value = setting.value.removeprefix("--").partition("=")
        name = written.rstrip("+-")
        before = flags[name].value if name in flags else ""
        new = value if equals else "true"
        if written.endswith("+") and before:
            new = f"{before},{new}"
        elif written.endswith("-") and before:
            new = f"{new},{before}"
        flags[name] = Setting(new, f"kube-apiserver-arg in {setting.source}")
    return flags


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Flags in order; ``--name value`` is read like ``--name=value``, one without a value as ``true``."""
    for place, word in enumerate(words):
        if not word.startswith("-") or not word.strip("-"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        following = words[place + 1] if place + 1 < len(words) else "-"
        if not equals:
            value = "true" if following.startswith("-") else following
        yield name, _unquoted(value)


def _unquoted(value: str) -> str:
    try:
        parts = shlex.split(value)
    except ValueError:
        return value
    return parts[0] if len(parts) == 1 else value
