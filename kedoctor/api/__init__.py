"""The public interface for plugins: everything a fact, a check, a remedy or a report needs, and nothing else.

What few need stands in modules of its own: :mod:`kedoctor.api.certificates` (X.509), :mod:`kedoctor.api.yaml` (YAML
with lines), :mod:`kedoctor.api.report` (the report document, for formats) and :mod:`kedoctor.api.changes` (how a new
kind of action is carried out).
"""

from __future__ import annotations

from kedoctor.base.plain import plain
from kedoctor.base.records import Record, RecordError, decode, decode_yaml, encode_pretty, field, replace
from kedoctor.base.text import Text
from kedoctor.hookspecs import hookimpl
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import ChangeMode, EditYaml, MoveAside, PlaceFile, RemoveFile, WriteFile
from kedoctor.model.actions.images import ImportImage
from kedoctor.model.actions.nat import EnsureChain, RemoveRule
from kedoctor.model.actions.objects import (
    ApplyObject,
    DeleteObject,
    EditObjectYaml,
    IssueCertificates,
    PatchObject,
    RestartPods,
)
from kedoctor.model.actions.programs import RunProgram, Secret
from kedoctor.model.actions.units import ControlUnit, RestartUnit, TemporaryFile
from kedoctor.model.actions.yaml_changes import YamlChange
from kedoctor.model.declarations import (
    Check,
    DataPath,
    EveryHost,
    EvidenceRules,
    FactUnavailableError,
    HostContext,
    RedactionRule,
    Risk,
    RunMode,
    Side,
    Symptom,
    check,
    fact,
    repair_command,
    require,
)
from kedoctor.model.details import detail_text
from kedoctor.model.explanations import Explanation, InChinese, Note, Parts, Statement, SuspectedCause
from kedoctor.model.fake_services import (
    ApiWrite,
    FakeService,
    HostChange,
    PodLines,
    SandboxState,
    StateChange,
)
from kedoctor.model.findings import (
    STATUSES,
    Certainty,
    Evidence,
    Expiry,
    Finding,
    Status,
    expiring,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.model.gate import GATE_PODS, GatePod, GateRecipe, PodOrder
from kedoctor.model.image_references import archive_name, canonical
from kedoctor.model.nat_persistence import persistence
from kedoctor.model.objects import EXAMPLE, Fields, Object
from kedoctor.model.observations.apiserver import AccessReview, ApiAnswer, GetPath, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog, StreamedAnswer
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.inputs import ReadOfflineBundle, Setting
from kedoctor.model.observations.logs import LogText, ReadPodLog
from kedoctor.model.observations.machine import Identity, Now, ReadResources, Resources
from kedoctor.model.observations.network import Addresses, InterfaceAddress, Socket, Sockets
from kedoctor.model.observations.processes import Process, Processes
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.model.observations.units import Unit
from kedoctor.model.observations.wire import Connection, HttpAnswer, TlsPeer
from kedoctor.model.offline_bundle import (
    BundledFile,
    BundledImage,
    BundledKind,
    OfflineBundle,
    OfflineProblem,
    OfflineProblemKind,
)
from kedoctor.model.plans import NoPlan, Plan, Touch, remedy
from kedoctor.model.ports import Clock, Cluster, Host, Wire
from kedoctor.model.procedures import Kind, Parameter, Procedure
from kedoctor.model.references import Shelf
from kedoctor.model.release_contents import (
    Judgement,
    NeededImage,
    NeededProgram,
    OfflineKnowledge,
    Shortcoming,
    VersionSet,
)
from kedoctor.model.report import Verdict
from kedoctor.model.report_format import Presentation, ReportFormat
from kedoctor.model.settings import (
    WITHHELD,
    BackupManifest,
    KeptDocument,
    SettingsDocument,
    differences,
    flattened,
)
from kedoctor.model.traces import StepResult, StepState, Trace, TraceTarget, step
from kedoctor.model.transitions import Transition

__all__ = [
    "EXAMPLE",
    "GATE_PODS",
    "STATUSES",
    "WITHHELD",
    "AccessReview",
    "Action",
    "Addresses",
    "ApiAnswer",
    "ApiWrite",
    "ApplyObject",
    "AttachToPod",
    "BackupManifest",
    "BundledFile",
    "BundledImage",
    "BundledKind",
    "Certainty",
    "ChangeMode",
    "Check",
    "Clock",
    "Cluster",
    "Connection",
    "ControlUnit",
    "DataPath",
    "DeleteObject",
    "EditObjectYaml",
    "EditYaml",
    "EnsureChain",
    "EveryHost",
    "Evidence",
    "EvidenceRules",
    "ExecInPod",
    "Expiry",
    "Explanation",
    "FactUnavailableError",
    "FakeService",
    "Fields",
    "File",
    "FileMetadata",
    "Files",
    "FindFiles",
    "Finding",
    "FollowPodLog",
    "GatePod",
    "GateRecipe",
    "GetPath",
    "Host",
    "HostChange",
    "HostContext",
    "HttpAnswer",
    "Identity",
    "ImportImage",
    "InChinese",
    "InterfaceAddress",
    "IssueCertificates",
    "Judgement",
    "KeptDocument",
    "Kind",
    "LogText",
    "MoveAside",
    "NeededImage",
    "NeededProgram",
    "NoPlan",
    "Note",
    "Now",
    "Object",
    "OfflineBundle",
    "OfflineKnowledge",
    "OfflineProblem",
    "OfflineProblemKind",
    "Parameter",
    "Parts",
    "PatchObject",
    "PlaceFile",
    "Plan",
    "PodLines",
    "PodOrder",
    "Presentation",
    "Procedure",
    "Process",
    "Processes",
    "ReadFile",
    "ReadOfflineBundle",
    "ReadPodLog",
    "ReadResources",
    "Reason",
    "Record",
    "RecordError",
    "RedactionRule",
    "RemoveFile",
    "RemoveRule",
    "ReportFormat",
    "Request",
    "Resources",
    "RestartPods",
    "RestartUnit",
    "ReviewAccess",
    "Risk",
    "RunMode",
    "RunProgram",
    "SandboxState",
    "Secret",
    "Setting",
    "SettingsDocument",
    "Shelf",
    "Shortcoming",
    "Side",
    "Socket",
    "Sockets",
    "StatFile",
    "StateChange",
    "Statement",
    "Status",
    "StepResult",
    "StepState",
    "StreamedAnswer",
    "SuspectedCause",
    "Symptom",
    "TemporaryFile",
    "Text",
    "TlsPeer",
    "ToolOutput",
    "Touch",
    "Trace",
    "TraceTarget",
    "Transition",
    "Unavailable",
    "Unit",
    "Verdict",
    "VersionSet",
    "Wire",
    "WriteFile",
    "YamlChange",
    "archive_name",
    "canonical",
    "check",
    "decode",
    "decode_yaml",
    "detail_text",
    "differences",
    "encode_pretty",
    "expiring",
    "fact",
    "failed",
    "field",
    "flattened",
    "hookimpl",
    "passed",
    "persistence",
    "plain",
    "remedy",
    "repair_command",
    "replace",
    "require",
    "skipped",
    "step",
    "unknown",
    "warned",
]
