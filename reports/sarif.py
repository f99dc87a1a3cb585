"""SARIF 2.1.0, for code scanning and its viewers.

What is listed without ``verbose`` is what somebody has to look at: what fails or warns, and what matters and could
not be found out. With ``verbose`` every verdict is a result, also what passed (``pass``), does not apply
(``notApplicable``) or was accepted (with a suppression). GitHub shows every result as an alert, whatever its kind and
suppressions say, which is why the short form is the usual one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from kedoctor.api import Evidence, Presentation, Status, encode_pretty
from kedoctor.api.report import Report, Verdict
from kedoctor.reports import wording
from kedoctor.reports.markup import code, escaped, fenced

__all__ = ["render"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "SITE"
_ABOUT_BASE = "What lies in the site, not in a repository: HOST/PATH is a file of a host, cluster/KIND/NAMESPACE/NAME an object."
_KINDS = {
    Status.PASS: ("pass", "none"),
    Status.WARN: ("fail", "warning"),
    Status.FAIL: ("fail", "error"),
    Status.UNKNOWN: ("open", "none"),
    Status.BLOCKED: ("open", "none"),
    Status.SKIP: ("notApplicable", "none"),
    Status.ACCEPTED: ("fail", "warning"),
    Status.CRASHED: ("open", "none"),
    Status.SETTLING: ("open", "none"),
}
_NODES = 500  # so many edges of a folded verdict are named; occurrenceCount says how many there are
_LANGUAGES = {"zh": "zh-CN"}


def render(report: Report, presentation: Presentation) -> bytes:
    """The log file, one run in it, UTF-8 encoded; texts are in the language of the presentation."""
    language = presentation.language
    rules = _rules(report, language)
    places = {rule["id"]: place for place, rule in enumerate(rules)}
    listed = [one for one in report.verdicts if presentation.verbose or _to_look_at(one)]
    driver = {
        "name": "kedoctor",
        "version": report.tool.version,
        "semanticVersion": report.tool.version,
        "language": _LANGUAGES.get(language, language),
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "kedoctor/"},
        "language": _LANGUAGES.get(language, language),
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"description": {"text": _ABOUT_BASE}}},
        "invocations": [_invocation(report, places, language)],
        "results": [_result(one, places[one.code], language) for one in listed],
        "properties": {
            "counts": wording.counts(report, language),
            "allVerdictsListed": presentation.verbose,
            "runId": report.run.id,
            "demo": report.run.demo,
        },
    }
    return encode_pretty({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _to_look_at(verdict: Verdict) -> bool:
    if verdict.status in (Status.UNKNOWN, Status.SETTLING):
        return bool(verdict.capabilities)
    return verdict.status in (Status.FAIL, Status.WARN, Status.CRASHED)


# ---------------------------------------------------------------------------------------------- rules


def _rules(report: Report, language: str) -> list[dict[str, Any]]:
    """Every check that came to a verdict, by code."""
    first: dict[str, Verdict] = {}
    for one in report.verdicts:
        first.setdefault(one.code, one)
    return [_rule(one, language) for _, one in sorted(first.items())]


def _rule(verdict: Verdict, language: str) -> dict[str, Any]:
    title = wording.title_of(verdict, language)
    remedy = wording.remedy_of(verdict, language)
    explain = f"kedoctor explain {verdict.code}"
    plain = [title, remedy, f"{wording.word('more', language)}: {explain}"]
    marked = [
        f"**{escaped(title)}**",
        escaped(remedy),
        f"{wording.word('more', language)}: {code(explain)}",
    ]
    return {
        "id": verdict.code,
        "name": "".join(word.capitalize() for word in verdict.slug.split("-")),
        "shortDescription": {"text": _message(title)},
        "fullDescription": {"text": _message(" — ".join(part for part in (title, remedy) if part))},
        "help": {
            "text": "\n\n".join(_message(part) for part in plain if part),
            "markdown": "\n\n".join(_message(part) for part in marked if part),
        },
        "defaultConfiguration": {"level": "error" if verdict.capabilities else "warning"},
        "properties": {
            "slug": verdict.slug,
            "tags": sorted({"kedoctor", verdict.side, *verdict.capabilities}),
        },
    }


# -------------------------------------------------------------------------------------------- results


def _result(verdict: Verdict, rule: int, language: str) -> dict[str, Any]:
    kind, level = _KINDS[verdict.accepted.status if verdict.accepted else verdict.status]
    result: dict[str, Any] = {
        "ruleId": verdict.code,
        "ruleIndex": rule,
        "kind": kind,
        "level": level,
        "message": _told(verdict, language),
        "locations": list(_locations(verdict)),
        "partialFingerprints": _fingerprints(verdict),
        "properties": _properties(verdict, language),
    }
    if verdict.nodes:
        result["occurrenceCount"] = len(verdict.nodes)
    if verdict.status is Status.ACCEPTED:
        reason = wording.acceptance(verdict, language) or wording.summary_of(verdict, language)
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": reason}]
    return result


def _told(verdict: Verdict, language: str) -> dict[str, str]:
    summary, hint = wording.summary_of(verdict, language), wording.hint_of(verdict, language)
    plain = [summary]
    marked = [escaped(summary)]
    if verdict.status is not Status.PASS:
        plain += [hint, *(f"$ {typed}" for typed in verdict.hint.commands)]
        marked += [escaped(hint)]
        marked += [fenced("\n".join(verdict.hint.commands), "sh")] if verdict.hint.commands else []
    return {
        "text": _message("\n".join(part for part in plain if part)),
        "markdown": _message("\n\n".join(part for part in marked if part)),
    }


def _locations(verdict: Verdict) -> Iterator[dict[str, Any]]:
    logical = [{"name": verdict.subject, "kind": "resource", "fullyQualifiedName": _name(verdict)}]
    files = [one for one in verdict.evidence if _is_file(one)]
    for one in files:
        address = {"uri": _uri(verdict.host or "cluster", one.source), "uriBaseId": _BASE}
        region: dict[str, Any] = {"startLine": max(1, one.line or 1)}
        if one.excerpt:
            region["snippet"] = {"text": one.excerpt}
        physical = {"artifactLocation": address, "region": region}
        yield {"physicalLocation": physical, "logicalLocations": logical}
    if not files:
        # GitHub refuses a whole file for one result without a place (and without a line in it).
        where = verdict.host or "cluster"
        subject = "" if verdict.subject == where else verdict.subject
        address = {"uri": _uri(where, subject), "uriBaseId": _BASE}
        physical = {"artifactLocation": address, "region": {"startLine": 1}}
        yield {"physicalLocation": physical, "logicalLocations": logical}


def _is_file(evidence: Evidence) -> bool:
    return evidence.source.startswith("/") and not any(one.isspace() for one in evidence.source)


def _uri(*parts: str) -> str:
    return quote("/".join(part.strip("/") for part in parts if part.strip("/")), errors="replace")


def _name(verdict: Verdict) -> str:
    return "/".join(part for part in (verdict.host or "cluster", verdict.subject) if part)


def _fingerprints(verdict: Verdict) -> dict[str, str]:
    # Neither what was found nor the sentence about it: both may change while the fault stays. A folded verdict is
    # named after its first edge and the number of the others, which change as well.
    subject = "" if verdict.nodes else verdict.subject
    parts = (verdict.code, verdict.side, verdict.host, subject, verdict.node)
    digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]
    # The second name is the only one by which GitHub tells an alert from another.
    return {"kedoctor/v1": digest, "primaryLocationLineHash": f"{digest}:1"}


def _properties(verdict: Verdict, language: str) -> dict[str, Any]:
    told: Mapping[str, Any] = {
        "status": verdict.status.value,
        "subject": verdict.subject,
        "host": verdict.host,
        "node": verdict.node,
        "nodes": list(verdict.nodes[:_NODES]),
        "hop": verdict.hop,
        "capabilities": list(verdict.capabilities),
        "certainty": verdict.certainty.value,
        "found": wording.actual_of(verdict, language),
        "expected": wording.expected_of(verdict, language),
        "evidence": [wording.quoted(one) for one in verdict.evidence],
        "explainedBy": list(verdict.explained_by),
        "fixAvailable": verdict.fix.available,
    }
    return {name: value for name, value in told.items() if value not in ("", [])}


# ----------------------------------------------------------------------------------------- invocation


def _invocation(report: Report, places: Mapping[str, int], language: str) -> dict[str, Any]:
    run = report.run
    crashes = [one for one in report.verdicts if one.status is Status.CRASHED]
    notes = [_crash(one, places[one.code], language) for one in crashes]
    if not run.complete:
        notes.append({"level": "error", "message": {"text": wording.word("incomplete", language)}})
    told = {
        "executionSuccessful": not notes,
        "exitCode": run.exit_code,
        "startTimeUtc": _utc(run.started),
        "endTimeUtc": _utc(run.started + timedelta(milliseconds=run.duration_ms)),
        "toolExecutionNotifications": notes,
    }
    return {"commandLine": run.command, **told} if run.command else told


def _crash(verdict: Verdict, rule: int, language: str) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": _message(wording.summary_of(verdict, language))},
        "associatedRule": {"id": verdict.code, "index": rule},
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _message(text: str) -> str:
    """A message string: braces are doubled (2.1.0 §3.11.5), and nothing in it is a link (§3.11.6)."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")
