"""Sentences with gaps."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedoctor.base.phrases import Phrasebook, gaps

BOOK = Phrasebook(
    {
        "{} cannot be read: {}": "无法读取 {}：{}",
        "it is a directory": "它是目录",
        "{}: {}": "{}：{}",
        "only the last {} of {}": "{1} 中的最后 {0}",
    },
    ("{}：{}",),
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("it is a directory", "它是目录"),
        ("/a cannot be read: it is a directory", "无法读取 /a：它是目录"),
        ("only the last 5 of 7", "7 中的最后 5"),
        ("foreign: words", "foreign: words"),
        ("foreign: it is a directory", "foreign：它是目录"),
        (" cannot be read: x", " cannot be read: x"),
        ("", ""),
    ],
)
def test_known_words_are_said_and_the_rest_stays(text: str, said: str) -> None:
    assert BOOK.said(text) == said


@given(st.lists(st.text("ab:", max_size=3), min_size=1, max_size=5).map(tuple), st.text("ab:", max_size=20))
def test_a_text_fits_where_a_pattern_would_find_it(words: tuple[str, ...], text: str) -> None:
    pattern = "(.+?)".join(re.escape(word) for word in words)
    found = re.fullmatch(pattern, text, re.DOTALL)
    assert gaps(words, text) == (None if found is None else list(found.groups()))


def test_sentences_within_sentences_end_somewhere() -> None:
    text = "a: " * 100_000
    assert BOOK.said(text) == text
