"""Secret values in TOML, replaced in place so that lines and comments stay where they are.

What is secret is found in the parsed document, by its path; where it stands is found by its value. The result is parsed
again, and what is then still to be seen withholds the whole text.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from kedoctor import patterns
from kedoctor.redaction.known_keys import consumed
from kedoctor.redaction.placeholders import Placeholders
from kedoctor.redaction.secret_names import is_harmless, is_secret_key, kind_of
from kedoctor.redaction.yaml_secrets import UnsafeError, redact_lines

__all__ = ["redact_toml"]

KeyPath = tuple[str, ...]

_LONG_ENOUGH = 4  # shorter values may be part of any word


def redact_toml(text: str, paths: Sequence[KeyPath], marks: Placeholders) -> str:
    """``text`` with the values at ``paths``, and of all keys that sound secret, replaced wherever they stand.

    A text that is not TOML is gone through line by line instead.

    Raises:
        UnsafeError: where a secret stands cannot be told.
    """
    tree = _parsed(text)
    if tree is None:
        return _broken(text, paths, marks)
    found = dict(_secrets(tree, paths))
    made = {value: marks.of_value(kind_of(key), value) for value, key in found.items()}
    for value in sorted(made, key=len, reverse=True):
        text = _without(text, value, made[value])
    clean = _parsed(text)
    if clean is None or any(value in made for value, _ in _secrets(clean, paths)):
        raise UnsafeError("where a secret in it begins and ends cannot be told")
    return text


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _broken(text: str, paths: Sequence[KeyPath], marks: Placeholders) -> str:
    for path in paths:
        above = next((part for part in reversed(path) if part != "*"), "")
        if path[-1] == "*" and above in text:
            raise UnsafeError(f"it is not TOML, and what stands under {above} may be a secret")
    return redact_lines(text, [path[-1] for path in paths], marks)


def _secrets(
    value: Any, paths: Sequence[KeyPath], key: str = "", *, secret: bool = False
) -> Iterator[tuple[str, str]]:
    """What is secret, as text, with the key each stands under."""
    if isinstance(value, dict):
        for name, inner in value.items():
            below = [path[n:] for path in paths for n in consumed(path, name)]
            told = secret or () in below or _sounds_secret(name, inner)
            yield from _secrets(inner, [path for path in below if path], name, secret=told)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner, paths, key, secret=secret)
    elif secret and not isinstance(value, bool) and str(value).strip():
        yield str(value), key


def _sounds_secret(name: str, value: Any) -> bool:
    # A table of such a name holds what is secret beside what is not, under names of its own.
    if isinstance(value, dict | bool) or not is_secret_key(name):
        return False
    return isinstance(value, list) or not is_harmless(name, str(value))


def _without(text: str, value: str, mark: str) -> str:
    quoted = json.dumps(mark)
    forms = ("'''{}'''", '"""{}"""', "'{}'", '"{}"')
    escaped = (json.dumps(value), json.dumps(value, ensure_ascii=False))
    for written in (*(form.format(value) for form in forms), *escaped):
        text = text.replace(written, quoted)
    if value.replace(".", "").lstrip("-").isdigit():  # a number has no quotes that a mark could stand in
        return patterns.compiled(rf"(?<![\w.-]){patterns.escape(value)}(?![\w.-])").sub(
            lambda _: quoted, text
        )
    return text.replace(value, mark) if len(value) >= _LONG_ENOUGH else text
