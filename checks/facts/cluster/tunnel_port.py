"""The record of tunnel ports: ConfigMap ``kubeedge/tunnelport`` (facts.md §3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kedoctor.api import Cluster, Fields, RecordError, decode, fact, require
from kedoctor.checks.parsers.kubernetes import ConfigMap

__all__ = ["RecordState", "TunnelPortRecord"]


class RecordState(StrEnum):
    """What became of the record when it was read."""

    READ = "read"
    NO_CONFIG_MAP = "no ConfigMap"
    NO_ANNOTATION = "no annotation"
    UNPARSABLE = "unparsable"


@dataclass(frozen=True, slots=True)
class TunnelPortRecord:
    """Which cloudcore has which tunnel port: ``ports`` by the address cloudcore wrote for itself.

    ``reserved`` are all numbers ever handed out. ``text`` is the annotation as it stands, ``problem`` says why
    it could not be read when ``state`` is ``UNPARSABLE``.
    """

    state: RecordState
    ports: Mapping[str, int] = field(default_factory=dict)
    reserved: frozenset[int] = frozenset()
    text: str = ""
    problem: str = ""

    @property
    def current(self) -> frozenset[int]:
        """The ports of the cloudcores on record."""
        return frozenset(self.ports.values())


class _Annotation(Fields, frozen=True):
    ip_tunnel_port: dict[str, int] | None = None
    port: dict[int, bool] | None = None


@fact
def tunnel_port_record(cluster: Cluster) -> TunnelPortRecord:
    """The record; that it is missing or broken is a value, only an unreadable API makes it unavailable."""
    found = require(cluster.list(ConfigMap, namespace="kubeedge", field_selector="metadata.name=tunnelport"))
    if not found:
        return TunnelPortRecord(RecordState.NO_CONFIG_MAP)
    text = found[0].metadata.annotations.tunnel_port_record
    if text is None:
        return TunnelPortRecord(RecordState.NO_ANNOTATION)
    return parse_record(text)


def parse_record(text: str) -> TunnelPortRecord:
    """The record from the JSON of its annotation, as cloudcore reads it."""
    try:
        read = decode(text, _Annotation)
    except RecordError as error:
        return TunnelPortRecord(RecordState.UNPARSABLE, text=text, problem=str(error))
    reserved = frozenset(read.port or ())
    return TunnelPortRecord(
        RecordState.READ, dict(sorted((read.ip_tunnel_port or {}).items())), reserved, text
    )
