"""The report document, for report formats: the records of one run, from the whole down to a hint.

``kedoctor schema`` prints its JSON Schema; :class:`Report` is what a format's ``render`` gets.
"""

from __future__ import annotations

from kedoctor.model.details import detail_text, noun_text
from kedoctor.model.edge_groups import HOP_STATES, EdgeGroup, HopState, edge_groups
from kedoctor.model.observations.request import REASONS
from kedoctor.model.reasons import NEXT_STEPS, server_reason
from kedoctor.model.report import (
    SCHEMA_VERSION,
    STATES,
    Acceptance,
    AcceptedEntry,
    BaselineSeen,
    Capability,
    CapabilityPath,
    Cause,
    Cell,
    Change,
    EntryState,
    EqualRows,
    Fix,
    Hint,
    HopTitle,
    HostSeen,
    Missing,
    Reads,
    Redaction,
    Report,
    Run,
    Site,
    Tool,
    Translation,
    Verdict,
    hidden,
    site_state,
)
from kedoctor.model.report_document import write_report

__all__ = [
    "HOP_STATES",
    "NEXT_STEPS",
    "REASONS",
    "SCHEMA_VERSION",
    "STATES",
    "Acceptance",
    "AcceptedEntry",
    "BaselineSeen",
    "Capability",
    "CapabilityPath",
    "Cause",
    "Cell",
    "Change",
    "EdgeGroup",
    "EntryState",
    "EqualRows",
    "Fix",
    "Hint",
    "HopState",
    "HopTitle",
    "HostSeen",
    "Missing",
    "Reads",
    "Redaction",
    "Report",
    "Run",
    "Site",
    "Tool",
    "Translation",
    "Verdict",
    "detail_text",
    "edge_groups",
    "hidden",
    "noun_text",
    "server_reason",
    "site_state",
    "write_report",
]
