"""Facts of an edge host for tests, in values of the recorded sites (edge1, 10.99.0.1, 23 November 2026)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kedoctor.api import (
    Evidence,
    File,
    FileMetadata,
    Finding,
    HttpAnswer,
    Process,
    Processes,
    Reason,
    Socket,
    Sockets,
    Status,
    Unavailable,
    Unit,
)
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets, StreamSecret
from kedoctor.checks.facts.edge.certificates import CertificateFile, EdgeCertificates, KeyFile
from kedoctor.checks.facts.edge.clock import SiteClock, TrustedClock
from kedoctor.checks.facts.edge.edgecore import (
    CONFIG_PATH,
    EdgecoreConfig,
    EdgecoreFile,
    EdgecoreUnit,
    EdgeName,
    edgecore_config,
)
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, read_log
from kedoctor.checks.facts.edge.sockets_and_probes import CloudCa, EdgeSockets
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.releases import Release
from kedoctor.pki.certificates import Issued, make_ca, read_certificates, read_private_key, sign_server
from kedoctor.yaml.document import YamlError, load

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
STARTED = datetime(2026, 11, 23, 3, 17, 51, tzinfo=UTC)
NAME = EdgeName("edge1")
NOT_RECORDED = Unavailable(Reason.NOT_RECORDED, "something", "it was not recorded")

V1_22 = EdgecoreRelease(Release(1, 22, 0), "v1.22.0")

YAML = """\
apiVersion: edgecore.config.kubeedge.io/v1alpha2
kind: EdgeCore
modules:
  edgeHub:
    httpServer: https://10.99.0.1:10002
    websocket:
      enable: true
      server: 10.99.0.1:10000
  edgeStream:
    enable: true
    server: 10.99.0.1:10004
  edged:
    hostnameOverride: edge1
"""


def metadata(path: str, mode: int = 0o600, modified: datetime = STARTED) -> FileMetadata:
    return FileMetadata(path, "file", mode, 0, 0, 100, modified)


def file(text: str | bytes = YAML, modified: datetime = STARTED) -> EdgecoreFile:
    data = text.encode() if isinstance(text, str) else text
    read = File(metadata(CONFIG_PATH, 0o644, modified), data)
    try:
        return EdgecoreFile(CONFIG_PATH, read, document=load(data))
    except YamlError as error:
        return EdgecoreFile(CONFIG_PATH, read, error=error)


def config(text: str = YAML) -> EdgecoreConfig:
    found = edgecore_config(file(text), NAME)
    assert isinstance(found, EdgecoreConfig)
    return found


def edited(**values: str) -> EdgecoreConfig:
    """The sample with other ``enable``/``server`` in edgeStream, or lines appended under ``edged``."""
    text = YAML
    if "enable" in values:
        text = text.replace("    enable: true\n    server", f"    enable: {values['enable']}\n    server")
    if "server" in values:
        text = text.replace("server: 10.99.0.1:10004", f"server: {values['server']}")
    if "hub" in values:
        text = text.replace("server: 10.99.0.1:10000", f"server: {values['hub']}")
    return config(text + values.get("edged", ""))


def unit(
    *, runs: bool = True, others: Iterable[str] = (), since: datetime = STARTED, **fields: Any
) -> EdgecoreUnit:
    processes = [Process(645, 1, "edgecore", ("/usr/local/bin/edgecore",), started=since)] if runs else []
    processes += [Process(700 + place, 1, name, (f"/usr/bin/{name}",)) for place, name in enumerate(others)]
    known = Unit("edgecore.service", "loaded", "active", "running", "enabled", 0, 645, STARTED)
    for field, value in fields.items():
        known = _with(known, field, value)
    process = processes[0] if runs else None
    return EdgecoreUnit(known, process, Processes(tuple(processes)))


def _with(known: Unit, field: str, value: Any) -> Unit:
    values = {name: getattr(known, name) for name in known.__struct_fields__}
    return Unit(**{**values, field: value})


def sockets(*lines: str, complete: bool = True) -> EdgeSockets:
    """From ``STATE local remote process``, as ss prints them."""
    found = []
    for line in lines:
        state, local, remote, process = (*line.split(), "")[:4]
        (here, here_port), (there, there_port) = (end.rsplit(":", 1) for end in (local, remote))
        found.append(
            Socket(
                here, int(here_port), there, int(there_port or 0), state, 645 if process else None, process
            )
        )
    return EdgeSockets(Sockets(tuple(found), complete))


HELD = "ESTABLISHED 10.99.0.2:37408 10.99.0.1:10004 edgecore"
LISTENS = "LISTEN 127.0.0.1:10350 0.0.0.0:0 edgecore"


def log(text: str, now: datetime = NOW) -> EdgecoreLog:
    return read_log(text, now)


def said(moment: datetime, text: str, pid: int = 645, source: str = "edgestream.go:121") -> str:
    severity, rest = text[0], text[2:]
    return f"{severity}{moment:%m%d %H:%M:%S.%f}     {pid} {source}] {rest}\n"


class Pki:
    """A KubeEdge CA with an edge's pair (through kedoctor's own issuing)."""

    def __init__(self, node: str = "edge1", *, issued: datetime = STARTED, days: int = 365) -> None:
        self.ca = make_ca("KubeEdge", datetime(2026, 11, 23, 3, 0, tzinfo=UTC), 36400)
        self.edge = sign_server(
            self.ca,
            f"system:node:{node}",
            (),
            issued,
            days=days,
            algorithm="ECDSA-P-256",
            organizations=("system:nodes",),
        )

    @property
    def der(self) -> bytes:
        return read_certificates(self.ca.certificate)[0].der

    def files(self, **changed: Any) -> EdgeCertificates:
        key = read_private_key(self.edge.key).spki_sha256
        found = EdgeCertificates(
            certificate_file("/etc/kubeedge/ca/rootCA.crt", self.ca),
            certificate_file("/etc/kubeedge/certs/server.crt", self.edge),
            KeyFile("/etc/kubeedge/certs/server.key", metadata("/etc/kubeedge/certs/server.key"), key),
            {},
        )
        return replace(found, **changed)

    def secrets(self, **changed: Any) -> KubeedgeSecrets:
        cloudcore = sign_server(
            self.ca, "KubeEdge", ("10.99.0.1",), STARTED, days=36400, algorithm="ECDSA-P-256"
        )
        found = KubeedgeSecrets(
            ca=self.der,
            cloudcore=read_certificates(cloudcore.certificate)[0].der,
            token=NOT_RECORDED,
            stream=StreamSecret(("stream.crt",), b"", b""),
        )
        return replace(found, **changed)

    def served(self, date: datetime = NOW) -> CloudCa:
        return CloudCa("https://10.99.0.1:10002/ca.crt", HttpAnswer(200, self.der, date))


def certificate_file(path: str, issued: Issued) -> CertificateFile:
    return CertificateFile(path, metadata(path), read_certificates(issued.certificate)[0])


def clock(now: datetime = NOW, skew: float | None = 0.0) -> TrustedClock:
    return TrustedClock(
        now, skew, "https://10.99.0.1:10002/ca.crt", "" if skew is not None else "nobody answered"
    )


def site_clock(now: datetime = NOW, skew: float | None = 0.0) -> SiteClock:
    return SiteClock(now, skew, "the API server", "" if skew is not None else "no kubeconfig")


def later(seconds: float, since: datetime = STARTED) -> datetime:
    return since + timedelta(seconds=seconds)


def bilingual(finding: Finding) -> None:
    """Every sentence of a finding is there in both languages, and what is wrong says what to do."""
    texts = [finding.summary, finding.expected, finding.hint]
    for text in texts:
        assert text is None or (text.en.strip() and text.zh.strip()), finding
    assert finding.summary.en.endswith((".", "?")), finding.summary.en
    assert finding.summary.zh.endswith("。"), finding.summary.zh
    if finding.status in (Status.FAIL, Status.WARN):
        assert finding.hint is not None
        assert finding.expected is not None
        assert finding.actual
        assert all(isinstance(one, Evidence) for one in finding.evidence)
