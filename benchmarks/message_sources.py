"""Looks the fixed words of every text of messages.yaml up in the files that it names as their source.

    python benchmarks/message_sources.py kubeedge=DIR kubeedge@v1.17.0=DIR kubernetes=DIR ...

Each argument names a project (the release of messages.yaml's paths, or another one) and a directory with its files. For
each file that a message names and that is there, at least one alternative of its pattern must have its longest fixed
words in it; what has none is printed, and the exit code is 1. Files of projects that were not given are counted only.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # the standard library's own reading of a pattern
from typing import Any

from kedoctor.base.records import decode_yaml
from kedoctor.checks.parsers.logs import message_table

MESSAGES = Path(message_table.__file__).with_name("messages.yaml")
FILE = re.compile(r"(?:(?P<project>[a-z0-9-]+) (?P<release>[\w.]+) |(?=\S+/))(?P<path>[\w./+-]+\.\w+)\Z")
MOST = 400  # ways that are looked at
LEAST = 10
"""Characters; shorter words stand in too many files to show anything."""


def sources() -> Iterator[tuple[str, str, re.Match[str]]]:
    """Each pattern, with each file of a project that it names."""
    for message in decode_yaml(MESSAGES.read_bytes())["messages"]:
        for source in message.get("source", ()):
            found = FILE.match(source)
            if found:
                yield message["pattern"], source, found


def fixed_words(pattern: str) -> list[list[str]]:
    """For each way through the alternatives of a pattern its runs of literal characters, in lower case."""
    ways = _ways(_parser.parse(pattern, re.IGNORECASE))
    return [[run for run in way.split("\0") if run] for way in ways]


def _ways(parsed: Iterable[Any]) -> list[str]:
    """The literal characters of each way, with a zero byte for what is not fixed."""
    ways = [""]
    for name, value in parsed:
        if str(name) == "LITERAL":
            further = [chr(value).lower()]
        elif str(name) == "SUBPATTERN":
            further = _ways(value[3])
        elif str(name) == "BRANCH":
            further = [way for branch in value[1] for way in _ways(branch)]
        elif str(name) in ("MAX_REPEAT", "MIN_REPEAT"):
            further = [
                *([] if value[0] else ["\0"]),
                *(f"{way}\0" * bool(value[1] > 1) or way for way in _ways(value[2])),
            ]
        else:
            further = ["\0"]
        ways = [way + more for way in ways for more in further][:MOST]
    return ways


def stands_in(runs: list[str], text: str) -> bool:
    """Whether words of an alternative stand in a source file, where ``%s`` and ``%v`` take the place of others."""
    for run in runs:
        words = run.split()
        for size in range(len(words), 0, -1):
            for first in range(len(words) - size + 1):
                part = " ".join(words[first : first + size]).strip("[]():,\"'")
                if len(part) >= LEAST and part in text:
                    return True
    return False


def main(arguments: list[str]) -> int:
    """Prints what is not where it is said to be, and how many sources were looked up."""
    trees = dict(one.split("=", 1) for one in arguments)
    counts: Counter[str] = Counter()
    for pattern, source, found in sources():
        project = found["project"] or "kubeedge"
        tree = trees.get(f"{project}@{found['release']}" if found["project"] else project, trees.get(project))
        if tree is None or (found["project"] == "kubeedge" and f"kubeedge@{found['release']}" not in trees):
            counts["not given"] += 1
            continue
        path = Path(tree, found["path"])
        if not path.is_file():
            print(f"no such file: {source}\n    {pattern[:100]}")
            counts["wrong"] += 1
            continue
        text = " ".join(
            path.read_text(encoding="utf-8", errors="replace").replace('\\"', '"').lower().split()
        )
        ok = any(stands_in(runs, text) for runs in fixed_words(pattern))
        counts["found" if ok else "wrong"] += 1
        if not ok:
            print(f"not in {source}:\n    {pattern[:100]}")
    print(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
