"""A corpus of forms in which secrets are written, of contexts in which they stand, and of texts that must survive.

The shapes of tokens are those that services publish; the rules of gitleaks and detect-secrets were read as a third
opinion. Every secret here is made up from a fixed seed.
"""

from __future__ import annotations

import base64
import html
import json
import random
import textwrap
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kedoctor.pki import certificates

_ALNUM = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_HEX = "0123456789abcdef"
_WINDOW = 10


@dataclass(frozen=True)
class Form:
    """A text with a secret in it; ``secret`` are the parts of it that nobody may see."""

    name: str
    text: str
    secret: tuple[str, ...]

    def leaked(self, shown: str) -> str:
        """A piece of the secret that a text still shows, or nothing."""
        return next((piece for piece in self._pieces() if piece in shown), "")

    def _pieces(self) -> Iterator[str]:
        for part in self.secret:
            if len(part) <= _WINDOW:
                yield part
            yield from (part[at : at + _WINDOW] for at in range(0, len(part) - _WINDOW + 1, 5))


class _Maker:
    def __init__(self) -> None:
        self._random = random.Random(20261130)

    def word(self, length: int = 14, signs: str = _ALNUM) -> str:
        """A made-up secret with a digit, a capital and a small letter in it."""
        middle = "".join(self._random.choice(signs) for _ in range(max(length - 3, 0)))
        return (
            f"Qz{middle}7" if signs is _ALNUM else "".join(self._random.choice(signs) for _ in range(length))
        )

    def data(self, length: int) -> bytes:
        return self._random.randbytes(length)


def _b64url(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@cache
def key() -> bytes:
    """A private key that nobody uses (PEM), the same each time."""
    made = ec.derive_private_key(random.Random(20261130).getrandbits(255), ec.SECP256R1())
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@cache
def certificate() -> bytes:
    """A certificate (PEM)."""
    return certificates.make_ca("KubeEdge", datetime(2026, 11, 23, 3, tzinfo=UTC)).certificate


_NAMES = (
    *("password", "mqttPassword", "db_password", "passwd", "passphrase", "dbpwd", "client_secret", "token"),
    *(
        "agent-token",
        "apiKey",
        "api_key",
        "secretAccessKey",
        "aws_secret_access_key",
        "joinKey",
        "requirepass",
    ),
    *("credential", "shared_key", "pre-shared-key", "connection_string"),
)
_ENVIRONMENT = (
    "MQTT_PWD",
    "X_PWD",
    "DB_PASS",
    "K3S_TOKEN",
    "PGPASSWORD",
    "REDISCLI_AUTH",
    "AWS_SECRET_ACCESS_KEY",
)


def _pairs(make: _Maker) -> Iterator[Form]:
    for name in _NAMES:
        for label, write in (
            ("yaml", "{}: {}"),
            ("json", '{{"{}": "{}", "port": 1883}}'),
            ("assignment", "{}={}"),
        ):
            secret = make.word()
            yield Form(f"{name} as {label}", write.format(name, secret), (secret,))
    for name in _ENVIRONMENT:
        secret = make.word()
        yield Form(f"{name} of an environment", f"{name}={secret}", (secret,))
    for name in ("--password", "--token", "--creds", "--requirepass", "--auth", "--api-key", "-password"):
        for sign in (" ", "="):
            secret = make.word()
            yield Form(f"option {name}{sign}", f"app --verbose {name}{sign}{secret} --port 1883", (secret,))


def _prose(make: _Maker) -> Iterator[Form]:
    for text in (
        "login failed with password {} for admin", "password：{}", "密码：{}", "密码: {}", "口令={}", "令牌：{}",
        "密码是{}", "password is {}", "Passwort: {}", "contraseña: {}", "пароль: {}", "passwd '{}' refused",
        'tried password "{}"', "login edge password {}", "IDENTIFIED BY '{}'", "user=edge pwd={} host=127.0.0.1",
        "password -> {}", '{{"pass":"{}"}}', "pass={}", "credentials: {{mqtt: {}}}", "credentials: {{mqtt: {{x: {}}}}}",
        "passwords: [{}]", "tokens:\n  - {}\n  - b", "credentials:\n  mqtt: {}\n", "vpn-auth joinKey={}",
        'auth = ["edge", "{}"]', "secret: &s {}", "password: !!str {}", "password: >-\n  {}\n", "password:\n  {}\n",
    ):  # fmt: skip
        secret = make.word()
        yield Form(text.replace("\n", " "), text.format(secret), (secret,))
    number = "73190462815"
    yield Form("a number as token", f"token: {number}", (number,))
    yield Form("a number as password", f'"password": {number[:6]}', (number[:6],))


def _addresses(make: _Maker) -> Iterator[Form]:
    for text in (
        "tcp://edge:{}@127.0.0.1:1883", "https://{}@git.example/x.git", "postgres://u:{}@db/x?sslmode=disable",
        "mqtt://edge:{}/x@127.0.0.1:1883", "mqtt://edge:a@{}@127.0.0.1", "redis://:{}@cache:6379/0",
        "edge:{}@tcp(127.0.0.1:3306)/x", "https://h/x?sig={}&se=1", "https://h/x?a=1&access_token={}",
        "https://b/x?X-Amz-Credential=A&X-Amz-Signature={}", "https://h/robot/send?access_token={}",
        "AccountName=a;AccountKey={};EndpointSuffix=x", "Server=a;User ID=sa;Password={};", "127.0.0.1:5432:db:edge:{}",
        "https://hooks.slack.com/services/T024BE7LH/B024BE7LH/{}", "amqp://guest:{}@[::1]:5672/",
    ):  # fmt: skip
        secret = make.word(20)
        yield Form(f"address {text}", text.format(secret), (secret,))


def _programs(make: _Maker) -> Iterator[Form]:
    for text in (
        "mysql -uroot -p{} kubeedge", "mosquitto_sub -u edge -P {} -t x", "curl -u edge:{} https://127.0.0.1/",
        "curl --user edge:{} x", "sshpass -p {} ssh edge", "redis-cli -a {} ping", "nats --creds {}",
        'curl -H "Authorization: Bearer {}" x', 'curl -H "X-Api-Key: {}" x', "curl -H 'X-Auth-Token: {}' x",
        "keadm join --token={} --cloudcore-ipport=10.99.0.1:10000", "k3s agent --token {} --server https://10.99.0.1:6443",
        "docker login -u edge -p {} registry.example", "kubectl create secret generic x --from-literal=a={}",
        "wget --http-password={} x", "openssl pkcs12 -passin pass:{} -in x",
    ):  # fmt: skip
        secret = make.word()
        yield Form(f"program {text}", text.format(secret), (secret,))


def _headers(make: _Maker) -> Iterator[Form]:
    word = make.word(24)
    basic = base64.b64encode(f"edge:{word}".encode()).decode()
    yield Form("basic header", f"Authorization: Basic {basic}", (basic,))
    for text in (
        "Authorization: Bearer {}", "authorization=Bearer {}", "Proxy-Authorization: Basic {}", "X-Vault-Token: {}",
        "Cookie: theme=dark; session={}", "Set-Cookie: sid={}; Path=/; HttpOnly", "Authorization: Token {}",
        'Authorization: Digest username="u", nonce="n", response="{}"', "PRIVATE-TOKEN: {}", "bearer {}",
    ):  # fmt: skip
        secret = make.word(24)
        yield Form(f"header {text}", text.format(secret), (secret,))


def _tokens(make: _Maker) -> Iterator[Form]:
    upper, base32 = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
    for name, prefix, length, signs in (
        ("github", "ghp_", 36, _ALNUM), ("github oauth", "gho_", 36, _ALNUM), ("github fine", "github_pat_", 82, _ALNUM),
        ("gitlab", "glpat-", 20, _ALNUM), ("slack bot", "xoxb-2480125-", 24, _ALNUM), ("aws id", "AKIA", 16, upper),
        ("google", "AIza", 35, _ALNUM), ("google oauth", "ya29.", 60, _ALNUM), ("stripe", "sk_live_", 24, _ALNUM),
        ("npm", "npm_", 36, _ALNUM), ("docker", "dckr_pat_", 27, _ALNUM), ("vault", "hvs.", 90, _ALNUM),
        ("digitalocean", "dop_v1_", 64, _HEX), ("age", "AGE-SECRET-KEY-1", 58, base32), ("alibaba", "LTAI", 20, _ALNUM),
        ("anthropic", "sk-ant-api03-", 95, _ALNUM), ("openai", "sk-proj-", 60, _ALNUM), ("grafana", "glsa_", 41, _ALNUM),
        ("sendgrid", "SG.", 66, _ALNUM), ("hugging face", "hf_", 34, _ALNUM), ("databricks", "dapi", 32, _HEX),
        ("pypi", "pypi-AgEIcHlwaS5vcmc", 70, _ALNUM), ("telegram", "5124869370:AA", 33, _ALNUM), ("tailscale", "tskey-auth-", 30, _ALNUM),
        ("tencent", "AKID", 32, _ALNUM), ("artifactory", "AKCp", 69, _ALNUM),
    ):  # fmt: skip
        secret = make.word(length, signs)
        yield Form(f"token of {name}", f"using {prefix}{secret} now", (secret,))
    first, second = "a1b2c3", make.word(16, "abcdefghij0123456789")[:15] + "4"
    yield Form("bootstrap token", f"{first}.{second}", (second,))
    secret = make.word(30)
    yield Form("k3s token", f"K10{'a1' * 32}::server:{secret}", (secret,))
    signature = make.word(43)
    jwt = f"{_b64url({'alg': 'HS256'})}.{_b64url({'exp': 1795490004})}.{signature}"
    yield Form("jwt", jwt, (signature,))
    yield Form("join token", f"{'ab' * 32}.{jwt}", (signature,))
    yield Form("jwt over lines", "\n".join(textwrap.wrap(jwt, 40)), (signature,))
    crypt = make.word(60)
    yield Form("crypt", f"root:$6$saltsalt${crypt}:19000:0:99999:7:::", (crypt,))
    yield Form("htpasswd", f"edge:$2y$05${crypt[:53]}", (crypt[:53],))
    csv = make.word(32, _HEX)
    yield Form("known_tokens.csv", f'{csv},kubelet-bootstrap,10001,"system:bootstrappers"', (csv,))


def _keys(make: _Maker) -> Iterator[Form]:
    pem = key().decode()
    lines = pem.splitlines()
    body = tuple(lines[1:-1])
    joined = "".join(body)
    der = base64.b64decode(joined)
    pairs: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("pem", pem, body),
        ("pem in one line", pem.replace("\n", "\\n"), body),
        ("pem without line ends", pem.replace("\n", " "), body),
        ("pem cut off", "\n".join(lines[:-1]), body),
        ("pem interleaved", "\n".join([*lines[:2], "I1123 03:14:00 x", *lines[2:]]), body),
        ("pem cut and interleaved", "\n".join([*lines[:2], "I1123 03:14:00 x", *lines[2:-1]]), body),
        ("pem percent-encoded", urllib.parse.quote(pem), (urllib.parse.quote(joined[:50]),)),
        ("pem in base64", base64.b64encode(pem.encode()).decode(), (base64.b64encode(pem.encode()).decode()[60:160],)),
        ("pem in wrapped base64", "\n".join(textwrap.wrap(base64.b64encode(pem.encode()).decode(), 32)), (base64.b64encode(pem.encode()).decode()[64:96],)),
        ("der in base64", joined, (joined,)),
        ("der in wrapped base64", "\n".join(textwrap.wrap(joined, 36)), (joined[72:108],)),
        ("der in hex", der.hex(), (der.hex()[40:],)),
    )  # fmt: skip
    yield from (Form(name, text, secret) for name, text, secret in pairs)
    word = base64.b64encode(make.data(48)).decode()
    hexed = ":".join(f"{one:02x}" for one in make.data(30))
    yield Form(
        "putty", f"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{word}\nPrivate-MAC: 00", (word,)
    )
    yield Form(
        "pgp",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{word}\n=aBcD\n-----END PGP PRIVATE KEY BLOCK-----",
        (word,),
    )
    yield Form(
        "openssh", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{word}\n-----END OPENSSH PRIVATE KEY-----", (word,)
    )
    yield Form("jwk", json.dumps({"kty": "EC", "crv": "P-256", "x": "a", "d": word[:43]}), (word[:43],))
    yield Form("openssl -text", f"Private-Key: (256 bit)\npriv:\n    {hexed}\npub:\n    04:aa", (hexed,))
    yield Form("wireguard", f"[Interface]\nPrivateKey = {word[:43]}=", (word[:43],))
    plain = make.word(18)
    encoded = base64.b64encode(plain.encode()).decode()
    yield Form("secret as yaml", f"apiVersion: v1\ndata:\n  x: {encoded}\nkind: Secret\n", (encoded,))
    yield Form("secret as json", json.dumps({"kind": "Secret", "data": {"x": encoded}}), (encoded,))
    yield Form("stringData", f"kind: Secret\nstringData:\n  x: {plain}\n", (plain,))
    yield Form("escaped name", f'{{"pass\\u0077ord": "{plain}"}}', (plain,))
    yield Form("name and value", json.dumps({"env": [{"name": "DB_PASSWORD", "value": plain}]}), (plain,))
    yield Form("go struct", f"{{Username:edge Password:{plain} Port:1883}}", (plain,))
    yield Form("xml", f"<password>{plain}</password>", (plain,))


@cache
def forms_by_group() -> dict[str, tuple[Form, ...]]:
    """All forms, by the groups of the table in docs/security.md."""
    make = _Maker()
    return {
        "names and values": tuple(_pairs(make)),
        "prose, lists, mappings": tuple(_prose(make)),
        "addresses, arguments, headers": tuple(
            form for kind in (_addresses, _programs, _headers) for form in kind(make)
        ),
        "tokens": tuple(_tokens(make)),
        "keys and Secrets": tuple(_keys(make)),
    }


def forms() -> tuple[Form, ...]:
    """All forms."""
    return tuple(form for group in forms_by_group().values() for form in group)


_JOURNAL = "Nov 23 03:14:00 edge1 edgecore[713]: "
CONTEXTS: dict[str, Callable[[str], str]] = {
    "alone": lambda text: text,
    "in a sentence": lambda text: f"cannot start: {text} ; giving up",
    "klog": lambda text: f'E1123 03:14:00.000000 1 hub.go:115] "Dial failed" err={json.dumps(text, ensure_ascii=False)}',
    "journal": lambda text: "".join(f"{_JOURNAL}{line}\n" for line in ["starting", *text.split("\n"), "done"]),
    "json log": lambda text: json.dumps({"level": "error", "msg": text}, ensure_ascii=False),
    "json in json": lambda text: json.dumps({"log": json.dumps({"msg": text}, ensure_ascii=False)}, ensure_ascii=False),
    "comment": lambda text: "".join(f"# {line}\n" for line in ["was:", *text.split("\n")]),
    "command line": lambda text: f"ExecStart=/usr/bin/app --config /etc/app.yaml {text}",
    "html": lambda text: f"<td>{html.escape(text, quote=True)}</td>",
    "quoted": lambda text: f"exec /bin/sh -c '{text}': exit status 1",
    "percent-encoded": lambda text: f"GET /x?q={urllib.parse.quote(text)} 404",
    "block": lambda text: "message: |\n" + textwrap.indent(text, "    ") + "\nreason: Error\n",
}  # fmt: skip

BENIGN = (
    "edge-7.example.com", "ip-10-99-0-2.eu-central-1.compute.internal", "k3s-server-0a1b2c3d", "node edge1 is NotReady",
    "docker.io/kubeedge/cloudcore@sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef", "uid: 0d1f7a52-3f0e-4d5c-9a3b-1c2d3e4f5a6b",
    "fingerprint SHA256 5F:70:BF:18:A0:86:00:70:16:E9:48:B0:4A:ED:3B:82:10:3A:36:BE:A4:17:55:B6:CD:DF:AF:10:AC:E3:C6:EF",
    "--discovery-token-ca-cert-hash sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "tokenCAhash: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef", 'secret "cloudcore" not found',
    "not read: Secret kubeedge/tokensecret: list secrets of kubeedge", "get secrets/tokensecret: it was not recorded",
    "token has invalid claims: token is expired", "open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file",
    "-A PREROUTING -p tcp -m tcp --dport 10350 -j DNAT --to-destination 10.99.0.1:10003", "wss://10.99.0.1:10004/v1/kubeedge/connect",
    "https://10.99.0.2:10350/containerLogs/default/x-6d4cf56db6-x7k2p/x?follow=true", "tlsPrivateKeyFile: /etc/kubeedge/certs/server.key",
    "dial tcp 127.0.0.1:10350: connect: connection refused", "x-6d4cf56db6-x7k2p", "the token in edgecore.yaml has expired",
    'password authentication failed for user "edge"', "the password is wrong", "image rancher/mirrored-pause:3.6",
    "serial 4f:9a:01:c3:77:10:2e:8b", "git clone ssh://git@example.com/x.git", "docker://registry:5000/x@sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    'resourceVersion: "8123456"', "volume kube-api-access-x7k2p", "featureGates: {requireAuthorization: false}", "commit 3f1e9b7c5d2a4860e1f3a5b7c9d0e2f4a6b8c0d1",
    "KubeEdge v1.22.1, Kubernetes v1.31.2+k3s1", "secretName: cloudcore-tls", "E1123 03:14:00.000000 1 tunnel.go:60] dial failed", "crictl inspect 5f70bf18a0860",
)  # fmt: skip
"""Texts that hold no secret and must come out as they went in."""
