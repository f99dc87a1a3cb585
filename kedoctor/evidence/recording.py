"""Writing down everything that is asked while the world is looked at, and refusing what may not be collected."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from kedoctor import patterns
from kedoctor.base.records import replace
from kedoctor.evidence.bundle import EvidenceWriter
from kedoctor.model.declarations import EvidenceRules
from kedoctor.model.observations.files import Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.inputs import ReadSetting
from kedoctor.model.observations.logs import ReadJournal
from kedoctor.model.observations.processes import Process, Processes
from kedoctor.model.observations.request import Reason, Request, Source, Unavailable
from kedoctor.model.observations.tools import RunTool
from kedoctor.model.observations.units import ReadUnit
from kedoctor.observe.memo import Observation, take
from kedoctor.observe.request_names import describe

__all__ = ["AllowList", "RecordingSource"]


class AllowList:
    """What all plugins together allow to be collected."""

    def __init__(self, rules: Sequence[EvidenceRules]) -> None:
        self._files = [_glob(pattern) for rule in rules for pattern in rule.files]
        self._units = [pattern for rule in rules for pattern in rule.units]
        self._tools = frozenset(tool for rule in rules for tool in rule.tools)
        self._programs = tuple(program for rule in rules for program in rule.programs)

    def file(self, path: str) -> bool:
        """Whether a path may be read; ``..`` is resolved before it is looked up."""
        normal = posixpath.normpath(path)
        return any(pattern.fullmatch(normal) for pattern in self._files)

    def process(self, process: Process) -> Process:
        """A process as it may be written down: with its arguments only if its program is on a list.

        Anybody may give a program arguments, and what stands in them is often a password.
        """
        called = PurePosixPath(process.argv[0]).name if process.argv else ""
        known = any(
            fnmatchcase(name, program)
            for program in self._programs
            for name in (process.name, called)
            if name
        )
        return process if known else replace(process, argv=())

    def admits(self, request: Request) -> bool:
        """Whether a request may be made at all. Only files, units and tools are limited; settings are no evidence."""
        match request:
            case ReadSetting():
                return False
            case ReadFile(path=path) | StatFile(path=path):
                return self.file(path)
            case ReadUnit(name=name) | ReadJournal(unit=name):
                return any(fnmatchcase(name, pattern) for pattern in self._units)
            case RunTool(tool=tool):
                return tool in self._tools
        return True


class RecordingSource:
    """Passes requests on and writes each answer into a bundle once.

    The answers it gives are those of the source, unredacted: they stay in memory. What the rules do not list is
    answered with :class:`Unavailable` (not allowed) and noted in the bundle.
    """

    def __init__(self, source: Source, writer: EvidenceWriter, rules: Sequence[EvidenceRules]) -> None:
        self._source = source
        self._writer = writer
        self._allowed = AllowList(rules)
        self._lock = threading.Lock()
        self._written: set[Request] = set()

    def observe(self, request: Request) -> Any:
        """The source's answer, recorded."""
        return self.observation(request).answer

    def observation(self, request: Request) -> Observation:
        """The source's answer with its times, recorded; a setting is neither given nor recorded."""
        if isinstance(request, ReadSetting):
            return take(_Refusal(), request)
        seen = self._seen(request)
        with self._lock:
            new = request not in self._written
            self._written.add(request)
        if new:
            self._writer.add(seen)
        return seen

    def _seen(self, request: Request) -> Observation:
        if not self._allowed.admits(request):
            return take(_Refusal(), request)
        seen = take(self._source, request)
        if isinstance(request, FindFiles) and isinstance(seen.answer, Files):
            entries = tuple(found for found in seen.answer.entries if self._allowed.file(found.path))
            if seen.answer.entries and not entries:  # there are files: an empty answer would deny it
                return take(_Refusal(), request)
            answer = replace(seen.answer, entries=entries)
            return Observation(request, answer, seen.at, seen.took_ms, seen.origin)
        if isinstance(seen.answer, Processes):
            table = Processes(tuple(map(self._allowed.process, seen.answer.items)))
            return Observation(request, table, seen.at, seen.took_ms, seen.origin)
        return seen


class _Refusal:
    """Answers everything with: not allowed."""

    def observe(self, request: Request) -> Any:
        return Unavailable(
            Reason.NOT_ALLOWED, describe(request), "it is on no plugin's list of what may be collected"
        )


def _glob(pattern: str) -> patterns.Pattern[str]:
    """A path pattern: ``*`` and ``?`` stay within a name, ``/**`` at the end is the directory and all below it."""
    parts: Iterable[str] = patterns.compiled(r"(\*\*|\*|\?)").split(pattern.removesuffix("/**"))
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(wild.get(part, patterns.escape(part)) for part in parts)
    return patterns.compiled(body + ("(?:/.*)?" if pattern.endswith("/**") else ""))
