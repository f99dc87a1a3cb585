"""Texts that are made from a pattern to make it slow, and how long it takes over them."""

from __future__ import annotations

import re
import re._constants as C  # noqa: N812  as re itself does
import re._parser as parser
import time
from collections.abc import Iterator
from typing import Any

SIZES = (12, 16, 20, 28, 40, 400, 4_000, 10_000, 100_000)
MAX_PUMPS = 40
TOO_LONG = {
    12: 0.01,
    16: 0.01,
    20: 0.02,
    28: 0.02,
    40: 0.05,
    400: 0.1,
    4_000: 0.15,
    10_000: 0.4,
    100_000: 10.0,
}
_SIGNS = "a0 eA.-_/:\"'\\=@![({<\t\nZ9x"
_CATEGORIES = {
    C.CATEGORY_DIGIT: "0",
    C.CATEGORY_NOT_DIGIT: "a",
    C.CATEGORY_SPACE: " ",
    C.CATEGORY_NOT_SPACE: "a",
    C.CATEGORY_WORD: "a",
    C.CATEGORY_NOT_WORD: " ",
}


def attacks(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """What stands first, what is repeated, and what stands last: derived from the parts of the pattern."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    found: dict[tuple[str, str, str], None] = {}
    whole = _sample(tree)
    heads = list(_heads(tree, ""))
    pumps = dict.fromkeys(pump for _, pump in heads if pump)
    for head, pump in heads:
        for last in ("", "\0!"):
            found[head, pump, last] = None
    for pump in [
        *pumps,
        *(whole[:cut] for cut in (len(whole) - 1, len(whole) // 2, len(whole))),
        *'a0 "\\=\n',
    ]:
        found["", pump, "\0!"] = None
    for text in _prefixes(tree):  # a beginning that comes again and again, and never its end
        found["", text, ""] = None
        found["", text + " ", "\0"] = None
    rows = [row for row in found if row[1]]
    step = max(1, -(-len(rows) // MAX_PUMPS))
    return rows[::step] if step > 1 else rows


def _heads(tree: Any, head: str) -> Iterator[tuple[str, str]]:
    """For each repeat in the tree: a text that leads up to it, and texts it takes again and again."""
    for op, argument in tree:
        if op in (C.MAX_REPEAT, C.MIN_REPEAT, C.POSSESSIVE_REPEAT):
            _, most, body = argument
            if most > 20:
                for pump in _samples(body):
                    yield head, pump
            yield from _heads(body, head)
        elif op is C.SUBPATTERN:
            yield from _heads(argument[3], head)
        elif op is C.ATOMIC_GROUP:
            yield from _heads(argument, head)
        elif op is C.BRANCH:
            for branch in argument[1]:
                yield from _heads(branch, head)
        elif op in (C.ASSERT, C.ASSERT_NOT):
            yield from _heads(argument[1], head)
        head += _sample([(op, argument)])


def _prefixes(tree: Any) -> Iterator[str]:
    text = ""
    for item in tree:
        text += _sample([item])
        if text:
            yield text


def _samples(tree: Any) -> list[str]:
    """Several texts that a tree takes."""
    items = list(tree)
    if len(items) == 1:
        op, argument = items[0]
        if op in (C.IN, C.NOT_LITERAL, C.ANY, C.CATEGORY):
            return _signs(op, argument)[:4]
        if op is C.BRANCH:
            return [_sample(branch) for branch in argument[1]][:8]
        if op is C.SUBPATTERN:
            return _samples(argument[3])
        if op in (C.MAX_REPEAT, C.MIN_REPEAT):
            return _samples(argument[2])
    return [_sample(items)]


def _sample(tree: Any) -> str:
    """One text that a tree takes, where it is not about what stands round it."""
    text = ""
    for op, argument in tree:
        if op is C.LITERAL:
            text += chr(argument)
        elif op in (C.IN, C.NOT_LITERAL, C.ANY, C.CATEGORY):
            text += _signs(op, argument)[0]
        elif op in (C.MAX_REPEAT, C.MIN_REPEAT, C.POSSESSIVE_REPEAT):
            least, most, body = argument
            text += _sample(body) * min(max(least, 1 if most else 0), 64)
        elif op is C.SUBPATTERN:
            text += _sample(argument[3])
        elif op is C.ATOMIC_GROUP:
            text += _sample(argument)
        elif op is C.BRANCH:
            text += _sample(argument[1][0])
        elif op is C.ASSERT and argument[0] > 0:
            text += _sample(argument[1])
    return text


def _signs(op: Any, argument: Any) -> list[str]:
    if op is C.ANY:
        return ["a", " ", "."]
    if op is C.NOT_LITERAL:
        return [sign for sign in _SIGNS if sign != chr(argument)]
    if op is C.CATEGORY:
        return [_CATEGORIES.get(argument, "a")]
    negated = bool(argument) and argument[0][0] is C.NEGATE
    if not negated:
        told: list[str] = []
        for kind, what in argument:
            if kind is C.LITERAL:
                told.append(chr(what))
            elif kind is C.RANGE:
                told.append(chr(what[0]))
            elif kind is C.CATEGORY:
                told.append(_CATEGORIES.get(what, "a"))
        return [*dict.fromkeys([told[-1], *told])] or ["a"]
    return [sign for sign in _SIGNS if not any(_within(sign, one) for one in argument[1:])] or ["\x01"]


def _within(sign: str, one: Any) -> bool:
    kind, what = one
    if kind is C.LITERAL:
        return ord(sign) == int(what)
    if kind is C.RANGE:
        return bool(what[0] <= ord(sign) <= what[1])
    return {
        C.CATEGORY_DIGIT: sign.isdigit(),
        C.CATEGORY_SPACE: sign.isspace(),
        C.CATEGORY_WORD: sign.isalnum() or sign == "_",
        C.CATEGORY_NOT_DIGIT: not sign.isdigit(),
        C.CATEGORY_NOT_SPACE: not sign.isspace(),
        C.CATEGORY_NOT_WORD: not (sign.isalnum() or sign == "_"),
    }.get(what, False)


def grown(row: tuple[str, str, str], size: int) -> str:
    """The text of an attack at that many characters."""
    head, pump, last = row
    return head + pump * max(1, (size - len(head) - len(last)) // len(pump)) + last


def seconds(pattern: re.Pattern[Any], methods: frozenset[str], text: str, *, best_of: int = 1) -> float:
    """CPU seconds for what is done with the pattern: every match in a text, or a match of its beginning or all of it."""
    subject: Any = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
    times = []
    for _ in range(best_of):
        begun = time.thread_time()
        for method in methods:
            found = getattr(pattern, method)(subject)
            if method == "finditer":
                for _match in found:
                    pass
        times.append(time.thread_time() - begun)
    return min(times)
