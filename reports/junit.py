"""JUnit's XML, as Jenkins, GitLab and GitHub read it: one test case per check and subject, one suite per host.

What is red here is what makes the exit code of the run red: a failure, a crash, what matters and was not found out,
and a run that ended early. Names of suites and cases are the same in every language, so that a history of builds
holds together; messages are in the language asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from kedoctor.api import STATUSES, Presentation, Status, plain
from kedoctor.api.report import Report, Verdict
from kedoctor.reports import wording

__all__ = ["render"]

_SITE = "site"


def render(report: Report, presentation: Presentation) -> bytes:
    """The document, UTF-8 encoded; it fits the schema of Jenkins (``junit-10.xsd``)."""
    root = ET.Element("testsuites", name="kedoctor")
    root.append(_run_suite(report, presentation.language))
    for host in sorted({one.host for one in report.verdicts}):
        verdicts = [one for one in report.verdicts if one.host == host]
        root.append(_host_suite(report, host, verdicts, presentation.language))
    root.set("time", _seconds(report.run.duration_ms))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _run_suite(report: Report, language: str) -> ET.Element:
    """The run itself: that it came to its end is a test case, too, else a run cut short could look green."""
    suite = _suite(report, "kedoctor")
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report):
        ET.SubElement(properties, "property", name=plain(name), value=plain(value))
    case = _case(suite, "kedoctor.run", "run-complete", report.run.duration_ms)
    if not report.run.complete:
        _tell(case, "error", "incomplete", wording.word("incomplete", language))
    return _counted(suite)


def _host_suite(report: Report, host: str, verdicts: list[Verdict], language: str) -> ET.Element:
    suite = _suite(report, f"kedoctor.{host or _SITE}", host)
    seen: Counter[str] = Counter()
    timed: set[str] = set()
    for one in verdicts:
        name = f"{one.code} {one.slug} [{one.subject}]"
        seen[name] += 1
        if seen[name] > 1:
            name += f" #{seen[name]}"
        # Each verdict tells how long its check took; the check took that long once.
        took = 0 if one.code in timed else one.took_ms
        timed.add(one.code)
        case = _case(suite, f"kedoctor.{host or _SITE}.{one.code}", name, took)
        _judge(case, one, language, report.run.fail_on)
    return _counted(suite)


def _judge(case: ET.Element, verdict: Verdict, language: str, fail_on: str) -> None:
    summary = wording.summary_of(verdict, language)
    details = "\n".join(_details(verdict, language))
    kind = _kind(verdict, fail_on)
    if kind == "skipped":
        word = STATUSES[verdict.status].in_language(language)
        reason = wording.acceptance(verdict, language)
        _tell(case, kind, verdict.status.value, f"{word}: {summary}" + (f" ({reason})" if reason else ""))
    elif kind:
        _tell(case, kind, verdict.status.value, summary, details)
    elif verdict.status is Status.WARN:
        ET.SubElement(case, "system-out").text = plain(f"{summary}\n{details}".strip())


def _kind(verdict: Verdict, fail_on: str) -> str:
    """The element that tells the result; empty for a test that passed."""
    match verdict.status:
        case Status.FAIL:
            return "failure"
        case Status.WARN:
            return "failure" if fail_on == "warn" else ""
        case Status.CRASHED:
            return "error"
        case Status.UNKNOWN | Status.SETTLING:
            return "error" if verdict.capabilities or fail_on == "unknown" else "skipped"
        case Status.PASS:
            return ""
        case _:
            return "skipped"


def _details(verdict: Verdict, language: str) -> Iterator[str]:
    rows = [
        ("breaks", ", ".join(verdict.capabilities)),
        ("found", wording.actual_of(verdict, language)),
        ("expected", wording.expected_of(verdict, language)),
        *(("read", wording.quoted(one)) for one in verdict.evidence),
        ("do", wording.hint_of(verdict, language)),
    ]
    yield from (f"{wording.word(key, language)}: {text}" for key, text in rows if text)
    yield from (f"$ {typed}" for typed in verdict.hint.commands)
    if verdict.explained_by:
        yield f"{wording.word('follows', language)}: {' '.join(verdict.explained_by)}"


def _properties(report: Report) -> Iterator[tuple[str, str]]:
    run, site = report.run, report.site
    yield "kedoctor.version", report.tool.version
    yield "run.id", run.id
    yield "run.command", run.command
    yield "run.exit_code", str(run.exit_code)
    yield "run.demo", str(run.demo).lower()
    yield "site.hosts", ", ".join(host.name for host in site.hosts)
    if site.cluster_version:
        yield "site.kubernetes", site.cluster_version
    yield from ((f"site.{name}", ", ".join(found)) for name, found in site.component_versions.items())
    yield from (
        (f"cause.{place}", f"{cause.code} {cause.summary}") for place, cause in enumerate(report.causes, 1)
    )


# ------------------------------------------------------------------------------------------- elements


def _suite(report: Report, name: str, host: str = "") -> ET.Element:
    suite = ET.Element("testsuite", name=plain(name))
    suite.set("timestamp", report.run.started.isoformat(timespec="seconds"))
    if host:
        suite.set("hostname", plain(host))
    return suite


def _counted(suite: ET.Element) -> ET.Element:
    cases = list(suite.iter("testcase"))
    suite.set("tests", str(len(cases)))
    for name, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(element) is not None for case in cases)))
    suite.set("time", _seconds(sum(round(float(case.get("time", "0")) * 1000) for case in cases)))
    return suite


def _case(suite: ET.Element, classname: str, name: str, took_ms: int) -> ET.Element:
    return ET.SubElement(
        suite,
        "testcase",
        classname=plain(classname),
        name=plain(name),
        time=_seconds(took_ms),
    )


def _tell(case: ET.Element, element: str, kind: str, message: str, text: str = "") -> None:
    told = ET.SubElement(case, element, type=kind, message=plain(message))
    told.text = plain(text) or None


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
