"""The API server of a recorded site, answering from ``kubectl get -o json`` of that moment.

Only what was recorded is answered: nodes, pods, leases and APIServices of the whole cluster, the other kinds of the
namespace ``kubeedge`` alone. The Secrets are the recorded ones with the certificates and the token of
:mod:`recorded_certificates` in place of what was withheld.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from recorded_certificates import Pki, withheld_key_of
from recorded_texts import tail

from kedoctor.base.records import decode
from kedoctor.model.objects import kind_named
from kedoctor.model.observations.apiserver import AccessReview, ApiAnswer, GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.logs import ReadPodLog
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.observe.request_names import describe

__all__ = ["RecordedCluster"]

WHOLE_CLUSTER = {
    "nodes": "nodes.json",
    "pods": "pods.json",
    "events": "events.json",
    "leases": "leases.json",
    "apiservices": "apiservices.json",
}
IN_KUBEEDGE = {
    "configmaps": "kubeedge-cm.json",
    "secrets": "kubeedge-secrets.json",
    "services": "kubeedge-svc.json",
    "endpoints": "kubeedge-ep.json",
    "endpointslices": "kubeedge-endpointslices.json",
    "daemonsets": "kubeedge-ds.json",
    "deployments": "kubeedge-deploy.json",
    "serviceaccounts": "kubeedge-sa.json",
}
NODE_METRICS = "metrics-nodes.json"

_LOGS = {"cloudcore": "cloudcore.log", "cloud-iptables-manager": "iptables-manager.log"}
_ERROR = re.compile(r"\[stderr\] Error from server \((?P<reason>\w+)\): (?P<message>.*)")
_REASONS = {"NotFound": Reason.ABSENT, "BadRequest": Reason.ABSENT, "ServiceUnavailable": Reason.SERVER_ERROR}

NodeProxy = Callable[[str, str], "ApiAnswer | Unavailable | None"]


class RecordedCluster:
    """Answers requests to the API server; ``node_proxy`` answers what goes through it to a node's kubelet."""

    def __init__(self, directory: Path, clock: datetime, pki: Pki | None, node_proxy: NodeProxy) -> None:
        self._directory = directory
        self._clock = clock
        self._pki = pki
        self._node_proxy = node_proxy

    def observe(self, request: Request) -> Any:
        match request:
            case ListObjects():
                return self._list(request)
            case GetPath():
                return self._get(request)
            case ReadPodLog():
                return self._log(request)
            case ReviewAccess(user=""):
                return AccessReview(allowed=True)  # it was recorded as cluster administrator
        return _not_recorded(request)

    def objects(self, file: str) -> list[dict[str, Any]]:
        """The recorded objects of a file, as the API server sent them."""
        path = self._directory / file
        text = path.read_text() if path.is_file() else ""
        found: list[dict[str, Any]] = json.loads(text)["items"] if text.lstrip().startswith("{") else []
        return [self._with_certificates(one) for one in found] if file == "kubeedge-secrets.json" else found

    # ---------------------------------------------------------------------------------------------- lists

    def _list(self, request: ListObjects) -> Any:
        kind = kind_named(request.kind)
        file = self._file_of(kind.api, kind.plural, request.namespace)
        if file is None or not (self._directory / file).is_file():
            return _not_recorded(request)
        if (refused := self._refusal(file, request)) is not None:
            return refused
        chosen = [one for one in self.objects(file) if _selected(one, request)]
        listed: Any = tuple[kind, ...]  # type: ignore[valid-type]
        return decode(json.dumps(chosen), listed)

    @staticmethod
    def _file_of(api: str, plural: str, namespace: str) -> str | None:
        if api.startswith("metrics.k8s.io/"):
            return NODE_METRICS if plural == "nodes" else None
        if plural in WHOLE_CLUSTER:
            return WHOLE_CLUSTER[plural]
        return IN_KUBEEDGE.get(plural) if namespace == "kubeedge" else None

    def _refusal(self, file: str, request: Request) -> Unavailable | None:
        error = _ERROR.search((self._directory / file).read_text()[:2000])
        if error is None:
            return None
        reason = _REASONS.get(error["reason"], Reason.ERROR)
        return Unavailable(reason, describe(request), error["message"])

    def _with_certificates(self, secret: dict[str, Any]) -> dict[str, Any]:
        if self._pki is None:
            return secret
        data = {key: base64.b64decode(value) for key, value in secret["data"].items()}
        match secret["metadata"]["name"]:
            case "casecret":
                data |= {"cadata": self._pki.ca, "cakeydata": self._pki.ca_key}
            case "cloudcoresecret":
                data |= {"cloudcoredata": self._pki.cloudcore, "cloudcorekeydata": self._pki.cloudcore_key}
            case "tokensecret":
                data["tokendata"] = self._pki.join_token(data["tokendata"].decode()).encode()
            case "cloudcore":
                data["stream.key"] = withheld_key_of(data["stream.crt"])
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        return {**secret, "data": encoded}

    # ----------------------------------------------------------------------------------- paths and logs

    def _get(self, request: GetPath) -> Any:
        path = request.path.partition("?")[0]
        if path == "/version":
            version = self._directory / "version.json"
            if version.is_file():
                body = json.dumps(json.loads(version.read_text())["serverVersion"]).encode()
                return ApiAnswer(200, body, self._clock, "application/json")
        if (node := re.fullmatch(r"/api/v1/nodes/([^/:]+)(?::\d+)?/proxy(/.*)", path)) is not None:
            answer = self._node_proxy(node[1], node[2])
            if isinstance(answer, ApiAnswer) and answer.body and request.accept == "application/json":
                return ApiAnswer(406, b"406: Not Acceptable\n\nAvailable representations: ", self._clock)
            return answer or _not_recorded(request)
        return _not_recorded(request)

    def _log(self, request: ReadPodLog) -> Any:
        name = next((file for prefix, file in _LOGS.items() if request.pod.startswith(f"{prefix}-")), "")
        if request.previous:
            name = "cloudcore-previous.log" if name == "cloudcore.log" else ""
        path = self._directory / name
        if not name or not path.is_file() or request.namespace != "kubeedge":
            return _not_recorded(request)
        text = path.read_text()
        if text.lstrip().startswith("[stderr]"):
            return self._refusal(name, request) or _not_recorded(request)
        return tail(text.removesuffix("\n[rc] 0\n"), request.lines)


def _not_recorded(request: Request) -> Unavailable:
    return Unavailable(Reason.NOT_RECORDED, describe(request), "it was not recorded")


# -------------------------------------------------------------------------------------------- selectors


def _selected(one: Mapping[str, Any], request: ListObjects) -> bool:
    metadata = one["metadata"]
    if request.namespace and metadata.get("namespace", "") != request.namespace:
        return False
    labels = metadata.get("labels") or {}
    requirements = re.split(r",(?![^(]*\))", request.label_selector)
    if not all(_label_matches(labels, part.strip()) for part in requirements if part.strip()):
        return False
    return all(_field_matches(one, part) for part in request.field_selector.split(",") if part)


def _label_matches(labels: Mapping[str, str], requirement: str) -> bool:
    if (among := re.fullmatch(r"(\S+) (in|notin) \(([^)]*)\)", requirement)) is not None:
        values = {value.strip() for value in among[3].split(",")}
        return (labels.get(among[1]) in values) == (among[2] == "in")
    if "!=" in requirement:
        key, _, value = requirement.partition("!=")
        return labels.get(key) != value
    if "=" in requirement:
        key, _, value = requirement.replace("==", "=").partition("=")
        return labels.get(key) == value
    return (requirement.lstrip("!") in labels) != requirement.startswith("!")


def _field_matches(one: Mapping[str, Any], requirement: str) -> bool:
    wanted_equal = "!=" not in requirement
    path, _, value = requirement.replace("!=", "=").replace("==", "=").partition("=")
    found: Any = one
    for part in path.split("."):
        found = found.get(part, {}) if isinstance(found, Mapping) else {}
    return ((found or "") == value) == wanted_equal
