"""The recorded sites of ``tests/fixtures``: whole, small, free of secrets, true to the recordings, and up to date."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import make_fixtures
import pytest
import recorded
import recorded_texts
from recorded_wire import RecordedWire

from kedoctor.checks.parsers.join_token import read_token
from kedoctor.checks.parsers.kubernetes import Secret
from kedoctor.evidence.archive import read_archive
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.judge.fact_evaluation import HostView, SiteView, contexts
from kedoctor.judge.registry import Registry, Scope
from kedoctor.model.declarations import RunMode, Side
from kedoctor.model.observations.apiserver import ApiAnswer
from kedoctor.model.observations.files import File
from kedoctor.model.observations.machine import ReadClock
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.ports import Cluster, Host
from kedoctor.model.report import Report
from kedoctor.observe.memo import MemoSource
from kedoctor.pki import certificates
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.redaction.redactor import is_certificates
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import SiteSession, bundled_site

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = sorted({path.parent.name for path in FIXTURES.glob("*/*.tgz")})
BUNDLES = sorted(FIXTURES.glob("*/*.tgz"))
# Where edgecore.yaml is broken, nothing says which certificates edgecore uses, and none is looked at.
EDGES = [path for path in BUNDLES if path.name == "edge1.tgz" and not path.parent.name.startswith("l1-")]
# kubectl showed an empty summary once, while cloudcore's log and metrics-server's sample of the same seconds show
# that summaries came through.
ONCE_EMPTY = "healthy-manual-dnat-rule"

needs_recordings = pytest.mark.skipif(
    recorded.recordings() is None,
    reason="the recordings are not here (KEDOCTOR_RECORDINGS names their folder)",
)


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def replay(case: str, host: str) -> ReplaySource:
    return ReplaySource(open_bundle(FIXTURES / case / f"{host}.tgz"))


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


# ---------------------------------------------------------------------------------------------- bundles


@pytest.mark.parametrize("path", BUNDLES, ids=name_of)
def test_a_fixture_is_whole_small_and_complete(path: Path) -> None:
    bundle = open_bundle(path)
    assert path.stat().st_size < make_fixtures.LIMIT
    assert bundle.manifest.withheld == 0
    assert bundle.manifest.host == path.stem
    refused = [
        entry.made for entry in bundle.manifest.entries if _reason(entry.unavailable) is Reason.NOT_ALLOWED
    ]
    assert refused == [], "checks/evidence_rules.py must list what facts read"


def _asked_in_a_run(registry: Registry) -> list[type]:
    """The facts behind the checks of a run and their remedies; those of installs are never asked of a recorded site."""
    found: set[type] = set()
    usual = [node for node in registry.checks.values() if RunMode.RUN in node.check.occasions]
    remedies = [registry.remedies[node.check.code] for node in usual if node.check.code in registry.remedies]
    waiting = [one.type for node in (*usual, *remedies) for one in node.parameters]
    while waiting:
        wanted = waiting.pop()
        if wanted in registry.facts and wanted not in found:
            found.add(wanted)
            waiting += [one.type for one in registry.facts[wanted].parameters]
    return [wanted for wanted in registry.facts if wanted in found]


def _reason(answer: Unavailable | None) -> Reason | None:
    return answer.reason if answer else None


@pytest.mark.parametrize("path", BUNDLES, ids=name_of)
def test_a_fixture_answers_everything_that_facts_ask_today(path: Path, plugins: Plugins) -> None:
    source = ReplaySource(open_bundle(path))
    memo = MemoSource(source)
    plugins.sides(Host(memo))
    view = HostView(path.stem, frozenset(Side(side) for side in source.manifest.sides), memo)
    whole, hosts = contexts(plugins.registry, SiteView((view,), memo))
    for wanted in _asked_in_a_run(plugins.registry):
        node = plugins.registry.facts[wanted]
        for context in hosts.values() if node.scope is Scope.HOST else (whole, *hosts.values()):
            context.fact(wanted)
    missing = [
        seen.answer.what
        for seen in memo.observations()
        if isinstance(seen.answer, Unavailable) and "does not contain it" in seen.answer.detail
    ]
    assert missing == [], "run tests/make_fixtures.py"


@pytest.mark.parametrize("path", BUNDLES, ids=name_of)
def test_a_fixture_holds_no_secret(path: Path) -> None:
    for name, data in read_archive(path):
        assert b"PRIVATE KEY-----" not in data, name
        assert b"SIGNATURE" not in data, name
        assert re.search(rb"eyJ[\w-]+\.eyJ", data) is None, name


# ----------------------------------------------------------------------------------------- certificates


def secret(case: str, name: str) -> dict[str, bytes]:
    found = Cluster(replay(case, "cloud")).list(Secret, namespace="kubeedge")
    assert not isinstance(found, Unavailable)
    data = next(one.data for one in found if one.metadata.name == name)
    return {key: base64.b64decode(value) for key, value in (data or {}).items()}


def file(case: str, path: str) -> bytes:
    found = Host(replay(case, "edge1")).read(path)
    assert isinstance(found, File)
    return found.data


@pytest.mark.parametrize("case", [path.parent.name for path in EDGES])
def test_the_certificates_of_a_site_belong_together(case: str) -> None:
    authority = certificates.read_certificates(secret(case, "casecret")["cadata"])[0]
    root = certificates.read_certificates(file(case, recorded.ROOT_CA))[0]
    own = certificates.read_certificates(file(case, recorded.CERTIFICATE))[0]
    cloudcore = certificates.read_certificates(secret(case, "cloudcoresecret")["cloudcoredata"])[0]
    assert (root.sha256 == authority.sha256) is (case != "g1-edge-rootca-mismatch")
    assert own.is_signed_by(authority)
    assert cloudcore.is_signed_by(authority)
    assert cloudcore.ip_addresses == ("10.99.0.1",)
    assert own.common_name == "system:node:edge1"
    assert read_token(secret(case, "tokensecret")["tokendata"].decode()).ca_sha256 == authority.sha256
    with pytest.raises(certificates.CertificateError) as redacted:
        certificates.read_private_key(file(case, recorded.KEY))
    assert redacted.value.spki_sha256 == own.spki_sha256


@pytest.mark.parametrize("case", [path.parent.name for path in EDGES])
def test_only_what_was_expired_is_expired(case: str) -> None:
    now = replay(case, "edge1").observe(ReadClock()).time
    own = certificates.read_certificates(file(case, recorded.CERTIFICATE))[0]
    stream = certificates.read_certificates(secret(case, "cloudcore")["stream.crt"])[0]
    assert (own.valid_at(now) == "expired") is (case == "f1-edge-cert-expired")
    assert (stream.valid_at(now) == "expired") is (case == "f2-stream-cert-expired")
    assert is_certificates(secret(case, "cloudcore")["streamCA.crt"])


# -------------------------------------------------------------------------------- true to the recordings


@needs_recordings
@pytest.mark.parametrize(
    "case", [name for name in recorded.cases() if not name.startswith("k-") and name != ONCE_EMPTY]
)
def test_what_probes_are_said_to_find_is_what_kubectl_found(case: str) -> None:
    site = recorded.RecordedCase(case).site
    assert site is not None
    answer = RecordedWire(site, site.cloud).node_proxy("edge1", "/stats/summary")
    _, _, after = site.kubectl.partition('proxy/stats/summary"')
    said = after.partition("\n")[2].partition("\n\n")[0]
    if "dial tcp" in said:
        expected = said[said.index("error trying") :].splitlines()[0]
        assert isinstance(answer, Unavailable)
        assert answer.detail == expected
    elif "unknown certificate authority" in said or "connection reset" in said:
        assert isinstance(answer, Unavailable)
        assert "unknown certificate authority" in answer.detail
    elif "no output at all" in said:
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.TIMEOUT
    elif 'on the server ("")' in said:
        assert isinstance(answer, Unavailable)
        assert answer.detail == "HTTP 500"
    else:
        assert isinstance(answer, ApiAnswer)
        assert answer.body.startswith(b'{\n "node": {\n  "nodeName": "edge1"') is said.startswith("{")
        assert bool(answer.body) is said.startswith("{")


@needs_recordings
def test_equal_recordings_give_equal_bytes(tmp_path: Path, plugins: Plugins) -> None:
    case = recorded.RecordedCase("healthy")
    first, second = (
        make_fixtures.make_bundle(plugins, case, "edge1", tmp_path / name).path for name in ("a.tgz", "b.tgz")
    )
    assert first.read_bytes() == second.read_bytes()


def test_every_recorded_host_of_a_case_has_its_fixture() -> None:
    names = recorded.cases() or CASES
    for name in names:
        hosts = recorded.RecordedCase(name).hosts() if recorded.cases() else {}
        assert {path.stem for path in (FIXTURES / name).glob("*.tgz")} >= set(hosts)


def test_a_stand_in_journal_becomes_what_journalctl_prints() -> None:
    log = (
        "Nov 23 03:15:59 edge1 systemd[1]: Started edgecore.service.\n"
        "W1123 03:15:59.819404     312 validation.go:71] NodeIP is empty\n"
        "panic: something\n"
    )
    assert recorded_texts.journal(log, "edge1", 10).text.splitlines() == [
        "2026-11-23T03:15:59.000000+0000 edge1 systemd[1]: Started edgecore.service.",
        "2026-11-23T03:15:59.819404+0000 edge1 edgecore[312]: W1123 03:15:59.819404     312 validation.go:71] NodeIP is empty",
        "2026-11-23T03:15:59.819404+0000 edge1 edgecore[312]: panic: something",
    ]


@needs_recordings
@pytest.mark.parametrize(
    "case", ["healthy", "b-edgestream-disabled", "f1-edge-cert-expired", "l1-edgecore-yaml-syntax-error"]
)
def test_a_bundle_is_judged_as_the_site_itself(case: str, plugins: Plugins) -> None:
    site = recorded.RecordedCase(case)
    hosts = site.hosts()
    memos = {host: MemoSource(site.source(host)) for host in hosts}
    views = tuple(
        HostView(host, frozenset(Side(side) for side in sides), memos[host]) for host, sides in hosts.items()
    )
    itself = diagnose_site(plugins, SiteSession(SiteView(views, memos["cloud"]), memos), RunRequest())
    bundles = diagnose_site(
        plugins, bundled_site([FIXTURES / case / f"{host}.tgz" for host in hosts]), RunRequest()
    )
    assert verdicts(bundles) == verdicts(itself)


def verdicts(report: Report) -> set[tuple[str, ...]]:
    # KE932 asks for the pods of one node: each host for its own, and these edges were recorded without a kubeconfig.
    return {
        (one.code, one.host, one.subject, one.node, one.status, one.summary)
        for one in report.verdicts
        if (one.code, one.side) != ("KE932", "host") or one.host == "cloud"
    }
