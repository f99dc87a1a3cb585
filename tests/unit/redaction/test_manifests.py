"""Secrets of Kubernetes that stand in a text: what is below ``data`` and ``stringData``, however it is written."""

from __future__ import annotations

import base64
import json

import pytest

from kedoctor.redaction.patterns import redact_text
from kedoctor.redaction.placeholders import Placeholders

CANARY = "hunter2hunter2"
LOG = "Nov 30 10:00:00 host app[1]: "


def redacted(text: str) -> str:
    once = redact_text(text, Placeholders(b"x" * 16))
    assert redact_text(once, Placeholders(b"x" * 16)) == once
    return once


def _token() -> str:
    parts = [
        b'{"alg":"RS256","typ":"JWT"}',
        json.dumps({"sub": "x" * 90, "exp": 1}).encode(),
        bytes(range(200)),
    ]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _wrapped(width: int) -> str:
    token = _token()
    return "\n".join(token[at : at + width] for at in range(0, len(token), width))


@pytest.mark.parametrize(
    "text",
    [
        f"kind: Secret\nstringData: {{abc: {CANARY}}}\n",
        f"kind: Secret\nstringData: {{abc: '{CANARY}, {CANARY}', b: \"{CANARY}\", c: {CANARY} {CANARY}}}\n",
        f'kind: Secret\nstringData: {{abc: "a}}{CANARY}", b: http://u:{CANARY}@x:1/}}\n',
        f"kind: Secret\nstringData: {{\n  abc: {CANARY},\n  b: {CANARY} }}\n",
        f"kind: Secret\nstringData: {{a: {CANARY}",
        f'x {{"kind":"Secret","stringData":{{"conf":"x={{{CANARY}}}","b":"say \\"{CANARY}\\" x\\n{CANARY}"}}}} end',
        rf"x {{\"kind\":\"Secret\",\"stringData\":{{\"conf\":\"a\\n{CANARY}\\\"{CANARY}\",\"b\":\"{CANARY}\"}}}} end",
        f"kind: Secret\nstringData:\n  conf: |\n    a {CANARY}\n\n    b {CANARY}\n  other: {CANARY}\n",
        f"{LOG}kind: Secret\n{LOG}stringData:\n{LOG}  conf: >-\n{LOG}    a {CANARY}\n{LOG}type: Opaque\n",
        *(f"{_wrapped(width)}\nkind: Secret\nstringData: {{abc: {CANARY}}}\n" for width in (40, 64, 76)),
        *(f"{_wrapped(width)}\nkind: Secret\nstringData:\n  abc: {CANARY}\n" for width in (40, 64, 76)),
    ],
)
def test_no_value_is_left(text: str) -> None:
    assert CANARY not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Secret\ndata: {}\nmetadata: {name: x, labels: {a: b}}\n",
        "kind: ConfigMap\ndata: {abc: value}\n",
        "kind: Secret\nmetadata:\n  name: x\ntype: Opaque\n---\nkind: Node\nmetadata:\n  name: edge1\n",
    ],
)
def test_what_is_no_value_stays(text: str) -> None:
    assert redacted(text) == text


def test_what_comes_behind_a_block_stays() -> None:
    text = f"{LOG}kind: Secret\n{LOG}stringData:\n{LOG}  conf: |\n{LOG}    {CANARY}\n{LOG}type: Opaque\n{LOG}all is well\n"
    assert redacted(text).endswith(f"{LOG}type: Opaque\n{LOG}all is well\n")
    assert "conf: |\n" in redacted(text)


def test_a_quotation_that_never_ends_is_taken_out_whole() -> None:
    text = "kind: Secret\nstringData: {" + 'a: "' * 50_001 + CANARY
    assert CANARY not in redacted(text)
