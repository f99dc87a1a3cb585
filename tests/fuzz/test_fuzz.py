"""Whatever bytes come in, a reader gives its own kind of answer or its own kind of error, and nothing else.

``make test`` runs a few dozen examples of each, always the same; ``make fuzz`` searches for minutes. With atheris
installed, ``make fuzz`` also follows the branches of the readers.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kedoctor.base.errors import BundleError, ConfigurationError
from kedoctor.base.records import RecordError, decode, encode
from kedoctor.base.strict_yaml import read_steering
from kedoctor.changes.actors import built_in
from kedoctor.changes.journal_records import (
    Event,
    JournalError,
    JournalManifest,
    ManifestReader,
    Phase,
    encoded_step,
    read_manifest,
    read_progress,
)
from kedoctor.checks.parsers.kubernetes.node import Node
from kedoctor.checks.parsers.kubernetes.workloads import Pod
from kedoctor.evidence.archive import read_archive
from kedoctor.evidence.replay import open_bundle
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.report import Report
from kedoctor.observe.live.api_errors import ApiFailure, refusal
from kedoctor.observe.live.http_date import http_date
from kedoctor.observe.live.kubeconfig import Found, find_kubeconfig
from kedoctor.observe.live.proxies import proxy_for
from kedoctor.offline.image_archive import ArchiveError, read_stream
from kedoctor.pki import certificates
from kedoctor.yaml.document import SetKey, YamlEditError, YamlError, load
from kedoctor.yaml.edit import edit

EXAMPLES = int(os.environ.get("KEDOCTOR_FUZZ_EXAMPLES", "40"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
pytestmark = pytest.mark.timeout(3600 if EXAMPLES > 100 else 300)

KUBECONFIG = (
    b"current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
    b"clusters: [{name: a, cluster: {server: https://10.0.0.1:6443, proxy-url: http://p:1}}]\n"
    b"users: [{name: a, user: {token: abc}}]\n"
)
PLAN = encode(
    {
        "id": "20260101T000000Z-aaaa",
        "started": "2026-01-01T00:00:00Z",
        "command": "c",
        "codes": ["K"],
        "actions": [],
        "previewed": [],
        "before": [],
        "diffs": [],
        "number": 1,
        "format": 1,
    }
)


def _mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Random bytes, and good documents with pieces cut out, doubled, or replaced."""

    def build(parts: tuple[bytes, int, int, bytes]) -> bytes:
        seed, start, length, piece = parts
        start %= len(seed) + 1
        return seed[:start] + piece + seed[start + length % 64 :]

    changed = st.tuples(
        st.sampled_from(seeds), st.integers(0, 1 << 16), st.integers(0, 63), st.binary(max_size=24)
    )
    return st.one_of(st.binary(max_size=400), changed.map(build))


def _tar(kind: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w{kind}", format=tarfile.PAX_FORMAT) as tar:
        for name in ("manifest.json", "x" * 120):
            info = tarfile.TarInfo(name)
            info.size = 2
            tar.addfile(info, io.BytesIO(b"{}"))
    return buffer.getvalue()


@FUZZ
@given(
    _mutated(
        [KUBECONFIG, b"a: &x [1]\nb: *x\n", b"{a: {b: [c, 'd', \"e\\u0041\"]}}\n", b"- |\n  x\n- >-\n  y\n"]
    )
)
def test_yaml(data: bytes) -> None:
    with contextlib.suppress(YamlEditError, YamlError):
        load(data)
        load(edit(data, [SetKey(("a", "b"), "x")]))


@FUZZ
@given(_mutated([KUBECONFIG]))
def test_kubeconfig(data: bytes) -> None:
    def read(path: str) -> bytes:
        if path != "/c":
            raise FileNotFoundError(path)
        return data

    found = find_kubeconfig(environment={"KUBECONFIG": "/c", "HOME": "/h"}, read=read)
    assert isinstance(found, Found | Unavailable)
    if isinstance(found, Found):
        from urllib.parse import urlsplit  # noqa: PLC0415

        with contextlib.suppress(ApiFailure):
            proxy_for(urlsplit(found.server), found.cluster.get("proxy-url") or "", {})


@FUZZ
@given(_mutated([b"lang: zh\nformat: json\n", b"accept:\n- code: KE101\n  until: 2026-01-01\n"]))
def test_steering_files(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with contextlib.suppress(ConfigurationError):
        read_steering(tmp_path / "file", "configuration")


@FUZZ
@given(_mutated([_tar(":gz"), gzip.compress(_tar())]))
def test_evidence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bundle.tgz"
    path.write_bytes(data)
    with contextlib.suppress(BundleError):
        for _ in read_archive(path):
            pass
        open_bundle(path)


@FUZZ
@given(_mutated([_tar()]))
def test_tars(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bundle.tgz"
    path.write_bytes(gzip.compress(data, 1))
    with contextlib.suppress(BundleError):
        for _ in read_archive(path):
            pass
    with contextlib.suppress(ArchiveError):
        read_stream(io.BytesIO(data), "", seekable=True, sums=True)


@FUZZ
@given(_mutated([PLAN]), st.sampled_from(list(Phase)))
def test_journal_plans(tmp_path: Path, data: bytes, phase: Phase) -> None:
    entry = tmp_path / f"20260101T000000Z-aaaa.{phase.value}"
    entry.mkdir(exist_ok=True)
    (entry / "plan.json").write_bytes(data)
    (entry / "log").write_bytes(b"")
    with contextlib.suppress(JournalError):
        read_progress(entry, read_manifest(entry, ManifestReader(built_in())), phase)


@FUZZ
@given(_mutated([encoded_step(Event.START, 0, None) + encoded_step(Event.DONE, 0, None)]), st.booleans())
def test_journal_logs(tmp_path: Path, data: bytes, sealed: bool) -> None:
    if sealed:  # what only a correct checksum lets through
        data = b"%d %08x %s\n" % (len(data), zlib.crc32(data), data) if b"\n" not in data else data
    (tmp_path / "log").write_bytes(data)
    manifest = decode(PLAN, JournalManifest)
    with contextlib.suppress(JournalError):
        read_progress(tmp_path, manifest, Phase.DONE)


@FUZZ
@given(
    _mutated(
        [b'{"kind":"NodeList","metadata":{"continue":"x"},"items":[{"metadata":{"name":"a"},"status":{}}]}']
    ),
    st.sampled_from([Node, Pod, Report]),
    st.integers(100, 999),
)
def test_api_answers(data: bytes, kind: Any, status: int) -> None:
    with contextlib.suppress(RecordError):
        decode(data, kind)
    assert isinstance(refusal(status, data), ApiFailure)


@FUZZ
@given(
    st.one_of(
        st.text(max_size=60),
        st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [-+]?\w{1,5}"),
    )
)
def test_dates(text: str) -> None:
    found = http_date(text)
    assert found is None or found.tzinfo is not None


@FUZZ
@given(_mutated([b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]))
def test_certificates(data: bytes) -> None:
    for reader in (certificates.read_certificates, certificates.read_private_key):
        with contextlib.suppress(ValueError):
            reader(data)


@pytest.mark.slow
@pytest.mark.skipif(EXAMPLES <= 100, reason="make fuzz follows branches; make test does not")
def test_branches_are_followed_where_atheris_is_installed() -> None:
    atheris = pytest.importorskip("atheris")
    with atheris.instrument_imports():
        from kedoctor.yaml import document  # noqa: PLC0415

    def one(data: bytes) -> None:
        with contextlib.suppress(YamlError):
            document.load(data)

    for seed in (KUBECONFIG, PLAN):
        one(seed)
