"""One suite of API behaviour against the real kube-apiserver and against the sandbox's: where they differ, ours is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import conformance_reads
import conformance_refusals
import conformance_streams
import conformance_table
import conformance_writes
import pytest
import real_cluster
from conformance import BEHAVIOURS, Api, Behaviour, observe
from conformance_servers import RealServer, our_server

from kedoctor.sandbox.apiserver import paging, patch, watch, writes

pytestmark = real_cluster.marks(real_cluster.obstacle(), seconds=300)

# Importing them fills the suite.
_AREAS = (conformance_reads, conformance_writes, conformance_refusals, conformance_streams)
_ROWS: dict[str, str] = {}
_REAL: dict[str, list[str]] = {}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with real_cluster.cluster(tmp_path_factory.mktemp("conformance"), nodes=("edge1",)) as cluster:
        yield RealServer(cluster)


@pytest.fixture(scope="module")
def ours(real: RealServer) -> Iterator[Api]:
    with our_server(real.ask("GET", "/version").json["gitVersion"]) as server:
        yield server


def of_real(one: Behaviour, real: Api) -> list[str]:
    if one.name not in _REAL:
        _REAL[one.name] = observe(one, real)
    return _REAL[one.name]


@pytest.mark.parametrize("one", BEHAVIOURS, ids=lambda one: f"{one.area}: {one.name}")
def test_ours_does_what_the_real_server_does(one: Behaviour, real: Api, ours: Api) -> None:
    theirs, mine = of_real(one, real), observe(one, ours)
    _ROWS[one.name] = conformance_table.row(one, theirs, mine)
    assert theirs, "nothing was compared"
    if not one.differs:
        assert mine == theirs


def test_the_table_in_the_document_is_what_was_seen() -> None:
    if len(_ROWS) < len(BEHAVIOURS):
        pytest.skip("optional: only with the whole suite")
    found = conformance_table.table(_ROWS)
    if os.environ.get("KEDOCTOR_WRITE_TABLE"):
        conformance_table.write(found)
    assert conformance_table.in_document() == found


def _first_page_again(query: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in query.items() if key != "continue"}


def ignore_continue(patching: pytest.MonkeyPatch) -> None:
    read = paging.read_page

    def broken(store: Any, resource: Any, namespace: str, query: dict[str, str]) -> Any:
        return read(store, resource, namespace, _first_page_again(query))

    patching.setattr("kedoctor.sandbox.apiserver.dispatch.read_page", broken)


def ignore_versions(patching: pytest.MonkeyPatch) -> None:
    patching.setattr(
        writes.errors, "conflict", lambda *_, **__: writes.errors.bad_request("any version will do")
    )


def null_stays(patching: pytest.MonkeyPatch) -> None:
    patching.setattr(
        "kedoctor.sandbox.apiserver.bodies.merge_patch",
        lambda target, change: patch.merge_patch(target, {k: v for k, v in change.items() if k != "data"}),
    )


def no_deletions(patching: pytest.MonkeyPatch) -> None:
    line = watch._line
    patching.setattr(watch, "_line", lambda kind, raw: b"" if kind == "DELETED" else line(kind, raw))


@pytest.mark.parametrize(
    ("break_it", "seen_by"),
    [
        (ignore_continue, "pages with a selector, each page once"),
        (ignore_versions, "a version that is not the newest: 409; none at all"),
        (null_stays, "merge: null removes, and nothing changed is no new version"),
        (no_deletions, "every change once, in order; a patch that changes nothing is none"),
    ],
)
def test_a_server_that_is_broken_is_caught(
    break_it: Any, seen_by: str, real: Api, ours: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = (one for one in BEHAVIOURS if one.name == seen_by)
    break_it(monkeypatch)
    assert observe(one, ours) != of_real(one, real)
