"""Lists of very many names are looked at together, and no secret among them gets by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedoctor.base.records import replace
from kedoctor.model.report import Capability, Cell
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.redaction.patterns import is_suspicious
from tests.unit.report_samples import many_edges
from tests.unit.secret_forms import Form, forms

FORMS = forms()
NAMES = tuple(f"edge-{place:05}" for place in range(300))

texts = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from([form.text for form in FORMS]),
        st.sampled_from(["//u:p@h", "password", "A" * 28, "x.abcdefgh12345678", "edge1", "a%41"]),
    ),
    max_size=8,
)


@given(texts)
def test_what_is_suspicious_alone_is_so_between_other_lines(values: list[str]) -> None:
    if any(is_suspicious(one) for one in values):
        assert is_suspicious("\n".join(values))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_secret_among_many_names_is_taken_out(form: Form) -> None:
    secret = form.text
    alone = DocumentRedactor(salt=b"x").text(secret)
    assert DocumentRedactor(salt=b"x").value((*NAMES, secret)) == (*NAMES, alone)


def test_names_that_are_fine_stay_the_same_object() -> None:
    assert DocumentRedactor().value(NAMES) is NAMES


def test_rows_that_share_what_they_hold_go_on_sharing_it() -> None:
    made = many_edges(400)
    shared = {row.capabilities: row.capabilities for row in made.matrix}
    rows = tuple(Cell(row.edge, shared[row.capabilities]) for row in made.matrix)
    seen = DocumentRedactor().report(replace(made, matrix=rows))
    assert seen.matrix == rows
    assert len({id(row.capabilities) for row in seen.matrix}) == len(shared)


def test_a_secret_in_a_row_is_taken_out_of_each() -> None:
    bad = Capability("logs", "broken", "two", "password=hunter2hunter2")
    made = many_edges(100)
    rows = tuple(Cell(row.edge, (bad,)) for row in made.matrix)
    seen = DocumentRedactor().report(replace(made, matrix=rows))
    assert all("hunter2" not in str(row) for row in seen.matrix)
