"""Whatever stands round a secret, no redactor lets it through, and what reads logs, rules and settings stays civil."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kedoctor.base.records import decode, encode
from kedoctor.checks.evidence_rules import kedoctor_evidence
from kedoctor.checks.explain import explain
from kedoctor.checks.parsers.logs.klog import parse_lines
from kedoctor.checks.parsers.netfilter.parse import RulesetError, parse_save
from kedoctor.model.explanations import Explanation
from kedoctor.model.nat_rules import EditError, read_chains, words_of
from kedoctor.model.observations.request import Unavailable
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.redaction.redactor import Redactor
from kedoctor.yaml.document import SetKey, YamlEditError, YamlError, load
from kedoctor.yaml.edit import edit

EXAMPLES = int(os.environ.get("KEDOCTOR_FUZZ_EXAMPLES", "40"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
pytestmark = pytest.mark.timeout(3600 if EXAMPLES > 100 else 300)

CANARY = "zQ7canaryXv93kd"  # nothing that anybody uses
NOW = datetime(2026, 1, 1, tzinfo=UTC)

FORMS = st.sampled_from(
    [
        "password={}",
        "mqttPassword: {}",
        "K3S_TOKEN={}",
        '{{"token":"{}"}}',
        '{{"a":"{{\\"secret\\":\\"{}\\"}}"}}',
        "--token {}",
        "tcp://u:{}@h:1883",
        "Authorization: Bearer {}",
        "secret := '{}'",
        'export API_KEY="{}"',
        "https://h/x?sig={}",
    ]
)
NOISE = st.one_of(
    st.text(alphabet=st.sampled_from("abcXYZ019 \n\t\"'=:,.{}[]-_/\\#&|>@%é\u2028"), max_size=60),
    st.text(max_size=20),
)
LOGS = (
    'E0101 00:00:00.000000       1 a.go:12] "x failed" err="dial tcp 10.0.0.1:10004: connect: refused" node="edge1"',
    "Jan 01 00:00:00 edge1 edgecore[7]: W0101 00:00:00.0 1 b.go:1] certificate is valid for a, not b",
    '{"level":"error","ts":1767225600.5,"msg":"x","caller":"a/b.go:1","err":"i/o timeout"}',
    '{"log":"E0101 00:00:00.0 1 a.go:1] x\\n","stream":"stderr","time":"2026-01-01T00:00:00Z"}',
    "2026-01-01T00:00:00.5Z stderr F failed to create containerd task",
)
RULES = (
    "*nat\n:PREROUTING ACCEPT [0:0]\n:A - [1:2]\n[0:0] -A PREROUTING -p tcp -m tcp --dport 10350 -j DNAT "
    '--to-destination 10.0.0.1:10003\n-A A -m comment --comment "a \\"b\\"" -j RETURN\nCOMMIT\n'
)
SETTINGS = "a: 1\nmodules:\n  edgeHub:\n    token: abc # why\n    list: [1, {b: c}]\n"


def _cut(seeds: tuple[str, ...]) -> st.SearchStrategy[str]:
    def build(parts: tuple[str, int, int, str]) -> str:
        seed, start, length, piece = parts
        start %= len(seed) + 1
        return seed[:start] + piece + seed[start + length :]

    return st.tuples(
        st.sampled_from(seeds), st.integers(0, 1 << 10), st.integers(0, 30), st.text(max_size=20)
    ).map(build)


@FUZZ
@given(before=NOISE, form=FORMS, after=NOISE)
def test_no_sentence_shows_a_secret(before: str, form: str, after: str) -> None:
    redactor = DocumentRedactor()
    clean = redactor.text(f"{before} {form.format(CANARY)} {after}")
    assert CANARY not in clean
    assert redactor.text(clean) == clean


@FUZZ
@given(
    before=NOISE,
    form=FORMS,
    after=NOISE,
    name=st.sampled_from(
        ["tool:ip", "host:/etc/a.yaml", "host:/etc/a.conf", "host:/etc/containerd/config.toml", "journal:a"]
    ),
)
def test_no_evidence_shows_a_secret(before: str, form: str, after: str, name: str) -> None:
    redactor = Redactor(kedoctor_evidence().redactions)
    text = f"{before}\n{form.format(CANARY)}\n{after}"
    for answer in (text, text.encode("utf-8", "surrogateescape"), {"a": [text]}):
        clean = redactor.redact(name, answer).answer
        assert CANARY not in str(clean)
        if not isinstance(clean, Unavailable):
            assert redactor.redact(name, clean).answer == clean


@FUZZ
@given(
    key=st.sampled_from(["X-Any", "Authorization", "a b"]),
    value=st.text(min_size=4, max_size=30).map(lambda text: CANARY + text),
    around=_cut((SETTINGS, 'version = 2\n[plugins."a".b]\n  c = "d"\n')),
    mark=st.sampled_from(['"', '"""', "'", "'''"]),
)
def test_no_header_of_a_registry_is_shown(key: str, value: str, around: str, mark: str) -> None:
    text = f'[host."https://r".header]\n"{key}" = {mark}{value}{mark}\n{around}'
    clean = Redactor(kedoctor_evidence().redactions).redact(
        "host:/etc/containerd/certs.d/r/hosts.toml", text.encode("utf-8", "surrogateescape")
    )
    assert CANARY not in str(clean.answer)


@FUZZ
@given(st.lists(_cut(LOGS), min_size=1, max_size=4))
def test_logs(lines: list[str]) -> None:
    found = list(parse_lines("\n".join(lines), NOW))
    assert all(one.message is not None for one in found)
    told: Any = explain(lines)
    assert decode(encode(told), Explanation) == told


@FUZZ
@given(_cut((RULES,)))
def test_rules(text: str) -> None:
    with contextlib.suppress(RulesetError):
        parse_save(text, "nft")
    with contextlib.suppress(EditError):
        for rules in read_chains(text).values():
            for rule in rules:
                words_of(rule)


@FUZZ
@given(_cut((SETTINGS,)), st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.none()))
def test_what_is_written_into_settings_is_read_again(text: str, value: Any) -> None:
    with contextlib.suppress(YamlEditError, YamlError):
        before = text.encode("utf-8", "surrogateescape")
        changed = edit(before, [SetKey(("modules", "edgeHub", "new"), value)])
        document, old = load(changed).data, load(before).data
        assert document["modules"]["edgeHub"].pop("new") == value
        held = (old.get("modules") or {}).get("edgeHub")
        if held:
            held.pop("new", None)
            assert document == old
