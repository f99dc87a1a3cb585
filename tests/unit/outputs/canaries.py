"""The corpus of secrets on its way through outputs: texts to put in, and a count of what came out."""

from __future__ import annotations

import re
from functools import cache

from secret_forms import BENIGN, CONTEXTS, Form, forms_by_group

__all__ = ["benign_lost", "known_forms", "leaked_forms", "leaks", "texts", "texts_by_form"]

WINDOW = 10


@cache
def texts_by_form() -> tuple[tuple[Form, str], ...]:
    """Each form in each context, the contexts one after the other."""
    forms = [form for group in forms_by_group().values() for form in group]
    return tuple((form, write(form.text)) for write in CONTEXTS.values() for form in forms)


def texts() -> list[str]:
    """All of them."""
    return [text for _, text in texts_by_form()]


@cache
def _pieces() -> tuple[dict[str, str], dict[str, str]]:
    """The pieces of a secret that nobody may see, by the name of its form: those of ten characters, and shorter ones."""
    long: dict[str, str] = {}
    short: dict[str, str] = {}
    for form in (one for group in forms_by_group().values() for one in group):
        for part in form.secret:
            if len(part) < WINDOW:
                short[part] = form.name
            for at in range(max(len(part) - WINDOW + 1, 0)):
                long.setdefault(part[at : at + WINDOW], form.name)
    return long, short


def known_forms() -> set[str]:
    """The names of the forms that a text can be found to show; forms of the same secret go by the first one's."""
    return {name for pieces in _pieces() for name in pieces.values()}


def leaked_forms(shown: str | bytes) -> set[str]:
    """The names of the forms of which a text shows ten characters of the secret, however its lines are broken."""
    text = shown.decode("utf-8", "replace") if isinstance(shown, bytes) else shown
    long, short = _pieces()
    found = {
        name for piece, name in short.items() if re.search(rf"(?<![0-9A-Za-z]){piece}(?![0-9A-Za-z])", text)
    }
    for form in (text, "".join(text.split())):
        found |= {long[piece] for at in range(len(form)) if (piece := form[at : at + WINDOW]) in long}
    return found


def leaks(shown: str | bytes) -> dict[str, list[str]]:
    """The forms that a text shows, by their groups."""
    found = leaked_forms(shown)
    named = {
        name: [one.name for one in group if one.name in found] for name, group in forms_by_group().items()
    }
    return {name: forms for name, forms in named.items() if forms}


def benign_lost(shown: str | bytes) -> list[str]:
    """The texts that had to survive and did not; signs that formats write in ways of their own do not count."""
    text = shown.decode("utf-8", "replace") if isinstance(shown, bytes) else shown
    flat = _letters(text)
    return [one for one in BENIGN if _letters(one) not in flat]


def _letters(text: str) -> str:
    for sign, names in (('"', ("&#34;", "&quot;")), ("&", ("&amp;",)), (">", ("&gt;",)), ("<", ("&lt;",))):
        for name in names:
            text = text.replace(name, sign)
    return "".join(one for one in text if one.isalnum())
