"""What kube-apiserver's own egress selector does with connections to nodes (facts.md §8.5, §12.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kedoctor.api import Host, Reason, Unavailable, fact, require
from kedoctor.api.yaml import YamlError, load
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments

__all__ = ["EgressSelection", "egress_selection"]


@dataclass(frozen=True, slots=True)
class EgressSelection:
    """What kube-apiserver's egress selector does with connections to nodes.

    ``protocol`` is ``Direct`` or that of a proxy, ``to`` the address of that proxy, ``path`` the file.
    """

    path: str
    protocol: str
    to: str = ""

    @property
    def direct(self) -> bool:
        """Whether kube-apiserver connects itself."""
        return self.protocol == "Direct"


@fact
def egress_selection(host: Host, arguments: ApiserverArguments) -> EgressSelection | Unavailable:
    """The selection ``cluster`` of the file that kube-apiserver was given; ``absent`` where it was given none.

    K3s' code, which RKE2 uses, writes ``Direct`` for the mode ``disabled`` and ``HTTPConnect`` to its own supervisor else
    (k3s: pkg/daemons/control/deps/deps.go, genEgressSelectorConfig).
    """
    path = arguments.egress_selector_file
    if not path:
        return Unavailable(Reason.ABSENT, "the egress selector", "kube-apiserver was given none")
    data = require(host.read(path)).data
    try:
        document: Any = _lowered(load(data).data)
    except YamlError as error:
        return Unavailable(Reason.INVALID, path, str(error))
    chosen = document.get("egressselections") if isinstance(document, dict) else None
    for one in chosen if isinstance(chosen, list) else ():
        if isinstance(one, dict) and one.get("name") == "cluster":
            connection = one.get("connection")
            connection = connection if isinstance(connection, dict) else {}
            return EgressSelection(path, str(connection.get("proxyprotocol", "")), _proxy(connection))
    return EgressSelection(path, "Direct")  # nothing is selected for nodes


def _proxy(connection: Mapping[str, Any]) -> str:
    transport = connection.get("transport")
    for kind, key in (("tcp", "url"), ("uds", "udsname")):
        place = transport.get(kind) if isinstance(transport, dict) else None
        if isinstance(place, dict) and place.get(key):
            return str(place[key])
    return ""


def _lowered(value: Any) -> Any:
    """Keys in small letters: the same file is written in two spellings by different releases."""
    if isinstance(value, dict):
        return {str(key).lower(): _lowered(one) for key, one in value.items()}
    return [_lowered(one) for one in value] if isinstance(value, list) else value
