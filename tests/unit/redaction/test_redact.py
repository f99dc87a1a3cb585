"""Redaction: what facts.md §10.3 calls secret appears nowhere, and what tells something stays."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedoctor.base.records import decode, encode
from kedoctor.checks.evidence_rules import EVIDENCE
from kedoctor.checks.parsers.join_token import read_token
from kedoctor.checks.parsers.kubernetes import ConfigMap, Secret
from kedoctor.model.observations.apiserver import ApiAnswer
from kedoctor.model.observations.files import File, FileMetadata
from kedoctor.model.observations.logs import LogText
from kedoctor.model.observations.processes import Process, Processes
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.model.observations.units import Unit
from kedoctor.pki import certificates
from kedoctor.redaction.redactor import Redactor

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
CA = certificates.make_ca("KubeEdge", NOW)
KEY = certificates.read_private_key(CA.key)
CA_HASH = certificates.read_certificates(CA.certificate)[0].sha256
CANARY = "hunter2Canary"


def der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def b64url(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


JWT = f"{b64url({'alg': 'HS256', 'typ': 'JWT'})}.{b64url({'exp': 1795490004})}.{CANARY}signature"
TOKEN = f"{CA_HASH}.{JWT}"


def redactor() -> Redactor:
    return Redactor(EVIDENCE.redactions, salt=b"test")


def in_file(path: str, content: str | bytes) -> str:
    """The text of a file after redaction; what was withheld is its reason."""
    data = content.encode() if isinstance(content, str) else content
    metadata = FileMetadata(path, "file", 0o600, 0, 0, len(data), NOW)
    answer = redactor().redact(f"host:{path}", File(metadata, data)).answer
    return answer.text() if isinstance(answer, File) else f"withheld: {answer}"


def in_log(text: str) -> str:
    answer = redactor().redact("journal:edgecore.service", LogText(text)).answer
    assert isinstance(answer, LogText)
    return answer.text


def in_secret(name: str, **data: bytes) -> dict[str, bytes]:
    encoded = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
    secret = decode(
        json.dumps({"metadata": {"name": name, "namespace": "kubeedge"}, "data": encoded}), Secret
    )
    clean = redactor().redact("Secret", (secret,)).answer[0]
    return {key: base64.b64decode(value) for key, value in clean.data.items()}


# --------------------------------------------------------------------------------- every place of §10.3


EDGECORE = f"""\
# was: mqttPassword: {CANARY}
modules:
  edgeHub:
    heartbeat: 15
    token: {TOKEN}  # from keadm gettoken
    tlsPrivateKeyFile: /etc/kubeedge/certs/server.key
  eventBus:
    mqttMode: 2
    mqttPassword: "{CANARY} with spaces"
    mqttServerExternal: tcp://admin:{CANARY}@127.0.0.1:1883
  edgeStream:
    enable: true
"""
CLOUDCORE_LOG = f"I1123 03:14:00.000000 1 certs.go:115] validate token {TOKEN} from 10.99.0.2"
PLACES = {
    "edgecore.yaml": lambda: in_file("/etc/kubeedge/config/edgecore.yaml", EDGECORE),
    "a copy of edgecore.yaml": lambda: in_file("/etc/kubeedge/config/edgecore.yaml.bak-1", EDGECORE),
    "a broken edgecore.yaml": lambda: in_file(
        "/etc/kubeedge/config/edgecore.yaml", EDGECORE.replace("  edgeStream:", "\tedgeStream:")
    ),
    "bootstrap-edgecore.conf": lambda: in_file("/etc/kubeedge/bootstrap-edgecore.conf", f"{CANARY}{TOKEN}\n"),
    "cloudcore log at -v 4": lambda: in_log(CLOUDCORE_LOG),
    "edgecore log at -v 4": lambda: in_log(f'logs payload: {{"auth": "{CANARY}", "password":"{CANARY}"}}'),
    "k3s token": lambda: in_file(
        "/var/lib/rancher/k3s/server/node-token", f"K10{'a' * 64}::server:{CANARY}\n"
    ),
    "k3s config": lambda: in_file("/etc/rancher/k3s/config.yaml", f"token: {CANARY}\ntls-san: [a, b]\n"),
    "k3s unit environment": lambda: in_file(
        "/etc/systemd/system/k3s.service.env", f'K3S_TOKEN="{CANARY} x"\nK3S_URL=https://a:6443\n'
    ),
    "unit": lambda: str(
        redactor()
        .redact(
            "unit:k3s.service",
            Unit("k3s.service", "loaded", "active", "running", environment=(f"K3S_TOKEN={CANARY}", "A=b")),
        )
        .answer
    ),
    "argv": lambda: str(
        redactor()
        .redact(
            "host:ListProcesses",
            Processes(
                (Process(1, 0, "k3s", ("k3s", "server", "--token", CANARY, f"--agent-token={CANARY}")),)
            ),
        )
        .answer
    ),
    "kubeconfig": lambda: in_file(
        "/etc/rancher/k3s/k3s.yaml",
        "users:\n- name: default\n  user:\n"
        f"    client-key-data: {base64.b64encode(CANARY.encode() * 9).decode()}\n    token: {CANARY}\n"
        f"    password: {CANARY}\n    exec:\n      env:\n      - name: PLAIN\n        value: {CANARY}\n",
    ),
    "registries.yaml": lambda: in_file(
        "/etc/rancher/k3s/registries.yaml",
        f'configs:\n  "reg:5000":\n    auth:\n      username: u\n      password: {CANARY}\n',
    ),
    "containerd config": lambda: in_file(
        "/etc/containerd/config.toml",
        f'[plugins."x".registry.configs."r".auth]\n  username = "u"\n  password = "{CANARY}"\n',
    ),
    "docker config": lambda: in_file(
        "/etc/docker/daemon.json", json.dumps({"auths": {"r": {"auth": CANARY}}})
    ),
    "tool output": lambda: str(
        redactor().redact("tool:ps", ToolOutput(("/bin/ps",), 0, f"k3s --token {CANARY} x", "")).answer
    ),
    "http header": lambda: in_log(f"Authorization: Bearer {CANARY}0"),
    "basic auth": lambda: in_log(f"Basic {base64.b64encode(f'u:{CANARY}'.encode()).decode()}"),
    "api body": lambda: str(
        redactor()
        .redact("api:/x", ApiAnswer(200, json.dumps({"kind": "Secret", "data": {"a": CANARY}}).encode()))
        .answer
    ),
    "last-applied annotation": lambda: str(
        redactor()
        .redact(
            "ConfigMap",
            (ConfigMap(data={"x": json.dumps({"kind": "Secret", "stringData": {"a": f"{CANARY} b"}})}),),
        )
        .answer
    ),
    "pod environment": lambda: in_log(json.dumps({"env": [{"name": "DB_PASSWORD", "value": CANARY}]})),
    "an error": lambda: str(
        redactor().redact("x", Unavailable(Reason.ERROR, "x", f"bad token={CANARY}")).answer
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_planted_secret_appears_nowhere(place: str) -> None:
    text = PLACES[place]()
    assert CANARY not in text
    assert base64.b64encode(CANARY.encode())[:-4].decode() not in text
    assert "redacted" in text


@pytest.mark.parametrize("path", ["certs/server.key", "ca/rootCA.key", "certs.save/server.key.1"])
@pytest.mark.parametrize("content", [CA.key, der(CA.key)], ids=["pem", "der"])
def test_a_private_key_leaves_only_its_public_fingerprint(path: str, content: bytes) -> None:
    text = in_file(f"/etc/kubeedge/{path}", content)
    with pytest.raises(certificates.CertificateError) as error:
        certificates.read_private_key(text.encode())
    assert error.value.spki_sha256 == KEY.spki_sha256
    assert der(CA.key) not in text.encode("latin-1", "replace")
    assert len(text) < 200


def test_certificates_stay() -> None:
    assert in_file("/etc/kubeedge/ca/rootCA.crt", CA.certificate) == CA.certificate.decode()
    kept = in_secret("casecret", cadata=der(CA.certificate))["cadata"]
    assert kept == der(CA.certificate)


def test_the_data_of_secrets() -> None:
    key = der(CA.key)
    clean = in_secret(
        "any", cakeydata=key, stream_key=CA.key, tokendata=TOKEN.encode(), x=CANARY.encode() + b"\0"
    )
    assert f"spki-sha256={KEY.spki_sha256}".encode() in clean["cakeydata"]
    assert clean["cakeydata"] == clean["stream.key"], "one key, however it is written"
    assert read_token(clean["tokendata"].decode()).ca_sha256 == CA_HASH
    assert read_token(clean["tokendata"].decode()).expires == datetime.fromtimestamp(1795490004, UTC)
    assert clean["x"].startswith(b"[redacted secret token=")
    assert CANARY.encode() not in b"".join(clean.values())


def test_what_the_join_token_says_publicly_is_still_read_from_edgecore_yaml() -> None:
    line = next(
        line
        for line in in_file("/etc/kubeedge/config/edgecore.yaml", EDGECORE).splitlines()
        if "token:" in line
    )
    token = read_token(line.partition(": ")[2].partition("  #")[0].strip('"'))
    assert token.ca_sha256 == CA_HASH
    assert token.signed


def test_the_rest_of_a_configuration_keeps_its_lines_and_comments() -> None:
    text = in_file("/etc/kubeedge/config/edgecore.yaml", EDGECORE)
    assert len(text.splitlines()) == len(EDGECORE.splitlines())
    for line in (
        "  edgeStream:",
        "    enable: true",
        "    tlsPrivateKeyFile: /etc/kubeedge/certs/server.key",
    ):
        assert line in text.splitlines()


def test_an_empty_secret_stays_visible_as_empty() -> None:
    text = "modules:\n  edgeHub:\n    token: ''\n  eventBus:\n    mqttPassword: ''\n"
    assert in_file("/etc/kubeedge/config/edgecore.yaml", text) == text


def test_a_configuration_whose_secret_cannot_be_delimited_is_withheld() -> None:
    text = 'modules:\n  edgeHub:\n    token: "abc\n   def\n'
    assert in_file("/etc/kubeedge/config/edgecore.yaml", text).startswith("withheld: ")


def test_a_binary_that_is_no_certificate_is_withheld() -> None:
    assert in_file("/etc/kubeedge/x", b"\x00\x01\xff" * 20).startswith("withheld: ")


# -------------------------------------------------------------------------------------------- logs


@pytest.mark.parametrize(
    "line",
    [
        "failed to validate CA certificate. tokenCAhash: 0000, CAhash: caf3896351aaebc4",
        "token validation failure, err: token has invalid claims: token is expired",
        "token  credentials are in the wrong format",
        "open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory",
        'MountVolume.SetUp failed for volume "certs" : secret "cloudcore" not found',
        "    tokenRefreshDuration: 12",
        "--enable-bootstrap-token-auth=true --service-account-key-file=/etc/kubernetes/pki/sa.pub",
        "querySecretWorkers: 100",
        "      configMapAndSecretChangeDetectionStrategy: Get",
        "featureGates:\n  requireAuthorization: false\nauthorization:\n  debug: true",
        "-A KUBE-SEP-5IQAEH3A2OZOEQGH -p tcp -j DNAT --to-destination 10.99.0.1:6443",
        'automountServiceAccountToken: false, secretName: "cloudcore"',
        "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    ],
)
def test_lines_that_only_speak_of_secrets_stay(line: str) -> None:
    assert in_log(line) == line


def test_a_private_key_split_over_journal_lines() -> None:
    prefix = "2026-11-23T03:15:59.000000+0000 edge1 app[7]: "
    text = "".join(f"{prefix}{line}\n" for line in ["before", *CA.key.decode().splitlines(), "after"])
    clean = in_log(text)
    assert KEY.spki_sha256 in clean
    assert "before" in clean
    assert "after" in clean
    for line in CA.key.decode().splitlines()[1:-1]:
        assert line not in clean


@pytest.mark.parametrize("start", [0, 1, 2, 3])
@pytest.mark.parametrize("end", [None, -1, -2, -3])
def test_a_private_key_that_was_cut_off_at_either_end(start: int, end: int | None) -> None:
    lines = CA.key.decode().splitlines()[start:end]
    if "PRIVATE KEY" not in "".join(lines):
        return  # nothing says that this is part of a key
    clean = in_log("\n".join(["E1123 before it.", *lines, "E1123 12:00:00 after it."]))
    for line in lines:
        assert line not in clean
    assert "before it." in clean
    assert "after it." in clean


def test_a_private_key_in_base64_or_with_escaped_line_ends() -> None:
    for text in (
        base64.b64encode(CA.key).decode(),
        base64.encodebytes(CA.key).decode(),
        base64.b64encode(base64.b64encode(CA.key)).decode(),
        base64.b64encode(der(CA.key)).decode(),
        json.dumps({"x": CA.key.decode()}),
        json.dumps(json.dumps({"x": CA.key.decode()})),
        base64.b64encode(b"  x: y\n" + CA.key).decode(),
    ):
        clean = in_log(f"before {text} after")
        assert "[redacted private key" in clean
        assert text[60:90] not in clean


def test_certificates_in_logs_stay() -> None:
    for text in (CA.certificate.decode(), base64.b64encode(CA.certificate).decode()):
        assert in_log(text) == text


# --------------------------------------------------------------------------------------- properties


def test_equal_secrets_are_comparable_within_a_bundle_only() -> None:
    one, same = (in_log(f"password={CANARY}") for _ in range(2))
    assert one == same
    other = Redactor(EVIDENCE.redactions).redact("x", LogText(f"password={CANARY}")).answer
    assert other != LogText(one)


def test_an_exception_inside_redaction_withholds_the_item() -> None:
    class Explodes(dict):  # type: ignore[type-arg]
        def items(self) -> object:  # type: ignore[override]
            raise RuntimeError(CANARY)

    answer = redactor().redact("host:x", Explodes(a=1)).answer
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.WITHHELD
    assert CANARY not in str(answer)


WRAPPERS = st.sampled_from(
    [
        "password={}",
        "mqttPassword: {}",
        "K3S_TOKEN={}",
        '{{"token":"{}"}}',
        "--token {}",
        "--agent-token={}",
        "tcp://u:{}@h:1883",
        "Authorization: Bearer {}",
        "secret := '{}'",
        'export API_KEY="{}"',
        "client_secret => {}",
    ]
)
NOISE = st.text(alphabet=st.sampled_from("abcXYZ019 \n\t\"'=:,.{}[]-_/\\#&é\u2028"), max_size=40)


@given(before=NOISE, wrapper=WRAPPERS, after=NOISE)
def test_redaction_takes_the_secret_is_idempotent_and_bounded(before: str, wrapper: str, after: str) -> None:
    text = f"{before}{wrapper.format(CANARY)}{after}"
    clean = in_log(text)
    assert CANARY not in clean
    assert in_log(clean) == clean
    assert len(clean) <= 12 * len(text) + 200


@given(before=NOISE, wrapper=WRAPPERS, after=NOISE)
def test_the_same_for_files(before: str, wrapper: str, after: str) -> None:
    text = f"{before}{wrapper.format(CANARY)}{after}"
    clean = in_file("/etc/kubeedge/config/other.yaml", text)
    assert CANARY not in clean
    if not clean.startswith("withheld: "):
        assert in_file("/etc/kubeedge/config/other.yaml", clean) == clean
        assert len(clean) <= 12 * len(text) + 200


@given(st.text(max_size=200))
def test_any_text_survives_and_a_second_time_changes_nothing(text: str) -> None:
    clean = in_log(text)
    assert in_log(clean) == clean


def test_a_record_keeps_its_type() -> None:
    unit = Unit("x", "loaded", "active", "running", environment=("A_PASSWORD=x",))
    clean = redactor().redact("unit:x", unit).answer
    assert isinstance(clean, Unit)
    assert decode(encode(clean), Unit) == clean
