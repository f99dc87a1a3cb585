"""Sentences for operators, in every language kedoctor speaks."""

from __future__ import annotations

from kedoctor.records import Record

__all__ = ["LANGUAGES", "Text"]

LANGUAGES = ("en", "zh")


class Text(Record, frozen=True):
    """One sentence (or paragraph) in English and in Chinese; ``str()`` gives the English one."""

    en: str
    zh: str

    def __str__(self) -> str:
        return self.en

    def in_language(self, language: str) -> str:
        """The text in ``language`` (``en`` or ``zh``; anything else reads English)."""
        return self.zh if language == "zh" else self.en
