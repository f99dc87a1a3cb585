"""Sentences for operators, in every language kedoctor speaks."""

from __future__ import annotations

from collections.abc import Mapping

from kedoctor.base.records import Record, force_setattr

__all__ = ["LANGUAGES", "Text", "language_of", "plain"]

LANGUAGES = ("en", "zh")


class Text(Record, frozen=True):
    """One sentence (or paragraph) in English and in Chinese; ``str()`` gives the English one.

    A text of a plugin may have no Chinese: its English then stands there, too.
    """

    en: str
    zh: str = ""

    def __post_init__(self) -> None:
        if not self.zh:
            force_setattr(self, "zh", self.en)

    def __str__(self) -> str:
        return self.en

    def in_language(self, language: str) -> str:
        """The text in ``language`` (``en`` or ``zh``; anything else reads English)."""
        return self.zh if language == "zh" else self.en


def plain(text: str) -> str:
    """Text for a terminal from a file that anybody may have written: nothing in it moves the cursor."""
    return "".join(one if one.isprintable() or one in "\n\t" else f"\\x{ord(one):02x}" for one in text)


def language_of(environment: Mapping[str, str]) -> str:
    """``en`` or ``zh``, as the locale's messages are."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    named = next((environment[name] for name in names if environment.get(name)), "")
    return "zh" if named.lower().startswith("zh") else "en"
