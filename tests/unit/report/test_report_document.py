"""The JSON document of a large site: equal rows stand together, and every row comes back."""

from __future__ import annotations

import json

import pytest

from kedoctor.base.records import RecordError, replace
from kedoctor.model.report_document import LARGE, read_report, write_report
from tests.unit.report_samples import many_edges


@pytest.mark.parametrize("number", [0, 1, LARGE - 1, LARGE, LARGE + 7])
def test_what_is_written_is_read(number: int) -> None:
    made = many_edges(number) if number else replace(many_edges(1), matrix=())
    assert read_report(write_report(made)) == made


def test_a_small_site_has_one_row_an_edge() -> None:
    document = json.loads(write_report(many_edges(LARGE - 1)))
    assert (len(document["matrix"]), document["equal_rows"]) == (LARGE - 1, [])


def test_a_large_site_has_one_row_for_all_edges_that_are_alike() -> None:
    made = many_edges(LARGE)
    document = json.loads(write_report(made))
    assert document["matrix"] == []
    told = {edge: row["capabilities"] for row in document["equal_rows"] for edge in row["edges"]}
    assert len(document["equal_rows"]) == 2
    assert told.keys() == {row.edge for row in made.matrix}
    assert told["edge0000"][0] == {"name": "logs", "state": "broken", "hop": "two", "cause": "TOY101"}


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"equal_rows": 1}', b'{"schema_version": "1.4"}'])
def test_anything_else_is_refused(document: bytes) -> None:
    with pytest.raises(RecordError):
        read_report(document)
