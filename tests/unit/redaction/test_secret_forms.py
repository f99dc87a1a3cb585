"""The corpus: no form of a secret survives in any context, in a report or in evidence; and what is no secret does."""

from __future__ import annotations

from functools import cache

import pytest
from secret_forms import BENIGN, CONTEXTS, forms

from kedoctor.model.observations.logs import LogText
from kedoctor.plugins import load_plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.redaction.redactor import Redactor


@cache
def _redactors() -> tuple[DocumentRedactor, Redactor]:
    rules = [rule for one in load_plugins().evidence() for rule in one.redactions]
    return DocumentRedactor(rules), Redactor(rules)


def _shown(text: str) -> tuple[str, str]:
    """What a report and what evidence shows of it."""
    document, evidence = _redactors()
    answer = evidence.redact("journal:edgecore.service", LogText(text)).answer
    return document.text(text), answer.text if isinstance(answer, LogText) else str(answer)


def test_the_corpus_is_large_enough() -> None:
    names = [form.name for form in forms()]
    assert len(set(names)) == len(names) >= 150
    assert len(CONTEXTS) == 12


@pytest.mark.parametrize("context", CONTEXTS)
def test_no_form_survives(context: str) -> None:
    texts = {form: CONTEXTS[context](form.text) for form in forms()}
    leaks = [
        f"{form.name}: {piece!r} in {shown[:200]!r}"
        for form, text in texts.items()
        for shown in _shown(text)
        if (piece := form.leaked(shown))
    ]
    assert not leaks, "\n".join(leaks)


@pytest.mark.parametrize("context", sorted(set(CONTEXTS) - {"html"}))
def test_what_is_no_secret_survives(context: str) -> None:
    changed = [text for text in BENIGN if _shown(written := CONTEXTS[context](text))[0] != written]
    assert not changed


@pytest.mark.parametrize("context", ["alone", "klog", "percent-encoded"])
def test_a_second_time_changes_nothing(context: str) -> None:
    document, _ = _redactors()
    once = [document.text(CONTEXTS[context](form.text)) for form in forms()]
    assert [DocumentRedactor(()).text(text) for text in once] == once


@pytest.mark.parametrize(
    "form", ["-----BEGIN RSA PRIVATE KEY-----", " \n\t\n", "password:", "eyJ", "%20%", "\\n\\n", "K10"]
)
def test_no_broken_text_is_more_than_withheld(form: str) -> None:
    document, evidence = _redactors()
    for text in (form, form * 50, f"\n{form}\n \n{form}"):
        assert isinstance(document.text(text), str)
        assert evidence.redact("x", LogText(text)).answer is not None
