"""TOML by its structure, sentences about kinds of objects, and the time that an item may take."""

from __future__ import annotations

import pytest

from kedoctor.checks.evidence_rules import EVIDENCE
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.redaction.documents import WITHHELD_TEXT, DocumentRedactor
from kedoctor.redaction.redactor import Redactor

CANARY = "Sesame open 7"
HOSTS = "host:/etc/containerd/certs.d/registry.example/hosts.toml"
CONFIG = "host:/etc/containerd/config.toml"


def shown(name: str, text: str) -> str:
    """What evidence would hold; of what was withheld nothing."""
    answer = Redactor(EVIDENCE.redactions).redact(name, text.encode()).answer
    if isinstance(answer, Unavailable):
        assert answer.reason is Reason.WITHHELD
        return ""
    assert isinstance(answer, bytes)
    return answer.decode()


@pytest.mark.parametrize(
    "value",
    [
        f'"{CANARY}"',
        f"'{CANARY}'",
        f'"""\n{CANARY}\n"""',
        f"'''{CANARY}'''",
        f'["first", "{CANARY}"]',
        f'["first",\n  "{CANARY}", # why\n]',
    ],
)
def test_a_header_is_secret_whatever_its_name_and_notation(value: str) -> None:
    text = f'server = "https://r"\n[host."https://r"]\n  capabilities = ["pull"]\n[host."https://r".header]\n  X-Any = {value}\n'
    clean = shown(HOSTS, text)
    assert clean
    assert CANARY not in clean
    assert 'capabilities = ["pull"]' in clean


def test_the_credentials_of_a_registry_are_secret_and_the_rest_stays() -> None:
    text = f"""version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.example/pause:3.9" # kept
[plugins."io.containerd.grpc.v1.cri".registry.configs."registry.example".auth]
  username = "{CANARY} u"
  password = "{CANARY} p"
  pin = 8675309
[plugins."io.containerd.grpc.v1.cri".registry.configs."registry.example".tls]
  key_file = "/etc/key.pem"
"""
    clean = shown(CONFIG, text)
    assert CANARY not in clean
    assert "8675309" not in clean
    assert 'sandbox_image = "registry.example/pause:3.9" # kept' in clean
    assert 'key_file = "/etc/key.pem"' in clean
    assert len(clean.splitlines()) == len(text.splitlines())


def test_an_escaped_secret_is_found_or_everything_is_withheld() -> None:
    assert "Sesame" not in shown(HOSTS, '[host."https://r".header]\nX-Any = "Sesame\\u0020open 7"\n')


def test_what_is_no_toml_is_withheld_where_a_header_may_stand_in_it() -> None:
    assert shown(HOSTS, f'[host."https://r".header]\nX-Any = "{CANARY}\n') == ""
    assert shown(HOSTS, 'server = "https://r\n') == 'server = "https://r\n'


def test_the_registries_of_k3s_lose_their_credentials_and_nothing_else() -> None:
    text = f"""configs:
  "a.example":
    auth:
      username: {CANARY} u
      password: {CANARY} p
  "b.example":
    auth: {{username: {CANARY} v, password: {CANARY} q}}
    tls: {{key_file: /etc/key.pem}}
"""
    clean = shown("host:/etc/rancher/k3s/registries.yaml", text)
    assert CANARY not in clean
    assert '"b.example":' in clean
    assert "tls: {key_file: /etc/key.pem}" in clean


@pytest.mark.parametrize(
    "text",
    [
        'cannot list resource "secrets": exit status 1',
        'failed to get "credentials": not found',
        r"failed \"secrets\": exit status 1",
    ],
)
def test_a_kind_of_objects_is_no_secret(text: str) -> None:
    assert DocumentRedactor().text(text) == text


@pytest.mark.parametrize(
    "text", ['the "password": hunter', 'a "secrets": "hunter"', '{"tokens": hunter}', 'x "token": hunter']
)
def test_what_looks_like_it_and_has_a_value_is(text: str) -> None:
    assert "hunter" not in DocumentRedactor().text(text)


def test_a_list_of_headers_keeps_its_brackets() -> None:
    clean = DocumentRedactor().text('Authorization = ["Basic Ym9iOmh1bnRlcjI="]')
    assert clean.startswith('Authorization = ["Basic [redacted ')
    assert clean.endswith('"]')


def test_an_item_that_takes_too_long_is_withheld_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kedoctor.redaction.placeholders.MOST_SECONDS", -1.0)
    answer = Redactor().redact("tool:ip", "password=hunter2hunter2").answer
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.WITHHELD
    assert "seconds of processor time" in str(answer)
    assert DocumentRedactor().text("password=hunter2hunter2") == WITHHELD_TEXT
