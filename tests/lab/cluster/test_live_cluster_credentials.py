"""As whom and whom we trust: certificates, tokens, plugins, proxies, and that no secret is ever said."""

from __future__ import annotations

import base64
import json
import logging
import os
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apiserver import ApiServer
from cluster_site import ADMIN_TOKEN, Connect, connector, nodes, server_side, site, why_not
from raw_server import RawServer, answer

from kedoctor.model.observations.apiserver import GetPath
from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.cluster import Patience

trustme = pytest.importorskip("trustme", reason="trustme makes the certificates")
pytestmark = pytest.mark.lab

EMPTY = answer(b'{"items": []}')
LONG_AGO = datetime.now(UTC) - timedelta(days=30)
UNAUTHORIZED = answer(b'{"kind": "Status", "message": "Unauthorized"}', status="401 Unauthorized")


@pytest.fixture(scope="module")
def authority() -> Any:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: Any) -> ssl.SSLContext:
    return server_side(authority.issue_cert("127.0.0.1"))


@pytest.fixture
def api(tls: ssl.SSLContext) -> Iterator[ApiServer]:
    yield from site(tls, nodes=3)


@pytest.fixture
def to(authority: Any, tmp_path: Path) -> Connect:
    return connector(authority, tmp_path)


def embedded(certificate: Any) -> dict[str, str]:
    """The user entry of a client certificate."""
    pems = certificate.cert_chain_pems[0].bytes(), certificate.private_key_pem.bytes()
    return {
        f"client-{name}-data": base64.b64encode(pem).decode()
        for name, pem in zip(("certificate", "key"), pems, strict=True)
    }


class TestServerCertificates:
    @pytest.mark.parametrize(
        ("identity", "dates", "says"),
        [
            ("127.0.0.1", {"not_after": LONG_AGO, "not_before": LONG_AGO - timedelta(days=1)}, "has expired"),
            ("127.0.0.1", {"not_before": datetime.now(UTC) + timedelta(days=1)}, "is not valid yet"),
            ("10.0.0.1", {}, "is for other names: IP address mismatch"),
        ],
    )
    def test_that_are_not_accepted(
        self, authority: Any, to: Connect, identity: str, dates: dict[str, datetime], says: str
    ) -> None:
        with RawServer(lambda _: [EMPTY], server_side(authority.issue_cert(identity, **dates))) as server:
            answered = why_not(to(server.url))
        assert answered.reason is Reason.UNTRUSTED
        assert says in answered.detail
        assert server.url in answered.detail

    def test_of_another_authority(self, to: Connect) -> None:
        with RawServer(lambda _: [EMPTY], server_side(trustme.CA().issue_cert("127.0.0.1"))) as server:
            answered = why_not(to(server.url))
            assert answered.reason is Reason.UNTRUSTED
            assert "signed by an authority that the kubeconfig does not trust" in answered.detail
            assert (
                nodes(to(server.url, cluster={"server": server.url, "insecure-skip-tls-verify": True})) == ()
            )

    def test_are_checked_against_the_name_that_the_kubeconfig_gives(
        self, authority: Any, to: Connect
    ) -> None:
        named = {"certificate-authority": "ca.crt", "tls-server-name": "kubernetes.default"}
        with RawServer(lambda _: [EMPTY], server_side(authority.issue_cert("kubernetes.default"))) as server:
            assert nodes(to(server.url, cluster={"server": server.url, **named})) == ()
            assert why_not(to(server.url)).reason is Reason.UNTRUSTED

    def test_an_intermediate_may_be_what_is_trusted(self, authority: Any, to: Connect) -> None:
        intermediate = authority.create_child_ca()
        pem = base64.b64encode(intermediate.cert_pem.bytes()).decode()
        with RawServer(lambda _: [EMPTY], server_side(intermediate.issue_cert("127.0.0.1"))) as server:
            cluster = {"server": server.url, "certificate-authority-data": pem}
            assert nodes(to(server.url, cluster=cluster)) == ()

    def test_where_no_tls_is_spoken(self, to: Connect) -> None:
        with RawServer(lambda _: [EMPTY]) as server:
            assert nodes(to(server.url, cluster={"server": server.url})) == ()
        with RawServer(lambda _: [b""], greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
            answered = why_not(to(server.url.replace("http", "https")))
        assert (answered.reason, "does not speak TLS" in answered.detail) == (Reason.INVALID, True)


class TestClientCertificates:
    def wanting(self, authority: Any) -> ssl.SSLContext:
        context = server_side(authority.issue_cert("127.0.0.1"))
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def test_are_shown_and_never_written_to_a_disk(self, authority: Any, to: Connect) -> None:
        before = {path for place in ("/tmp", "/dev/shm") for path in Path(place).glob("*")}
        ann = embedded(authority.issue_cert("ann.example"))
        with RawServer(lambda _: [EMPTY], self.wanting(authority)) as server:
            assert nodes(to(server.url, "", **ann)) == ()
        new = {path for place in ("/tmp", "/dev/shm") for path in Path(place).glob("*")} - before
        assert not [path for path in new if path.name.startswith(("tmp", "kedoctor"))]

    def test_that_the_server_refuses_in_tls(self, authority: Any, to: Connect) -> None:
        late = authority.issue_cert(
            "ann.example", not_before=LONG_AGO - timedelta(days=1), not_after=LONG_AGO
        )
        with RawServer(lambda _: [EMPTY], self.wanting(authority)) as server:
            answered = why_not(to(server.url, "", **embedded(late)))
            none = why_not(to(server.url, ""))
        assert answered.reason is Reason.UNAUTHORIZED
        assert f"its client certificate expired on {LONG_AGO:%Y-%m-%d %H:%M} UTC" in answered.detail
        # TLS 1.3: when the server closes quickly, its alert is lost with the connection.
        assert none.reason in {Reason.UNAUTHORIZED, Reason.UNREACHABLE}

    def test_that_the_server_refuses_with_401(self, authority: Any, tls: ssl.SSLContext, to: Connect) -> None:
        late = authority.issue_cert(
            "ann.example", not_before=LONG_AGO - timedelta(days=1), not_after=LONG_AGO
        )
        early = authority.issue_cert("ann.example", not_before=datetime.now(UTC) + timedelta(days=2))
        with RawServer(lambda _: [UNAUTHORIZED], tls) as server:
            answered = why_not(to(server.url, "", **embedded(late)))
            assert answered.reason is Reason.UNAUTHORIZED
            assert f"its client certificate expired on {LONG_AGO:%Y-%m-%d %H:%M} UTC" in answered.detail
            assert "not valid before" in why_not(to(server.url, "", **embedded(early))).detail


class TestTokens:
    def test_that_have_run_out_are_told(self, tls: ssl.SSLContext, to: Connect) -> None:
        claims = base64.urlsafe_b64encode(json.dumps({"exp": LONG_AGO.timestamp()}).encode()).decode()
        token = f"eyJhbGciOiJub25lIn0.{claims.rstrip('=')}.c2ln"
        with RawServer(lambda _: [UNAUTHORIZED], tls) as server:
            answered = why_not(to(server.url, token))
        assert f"its token expired on {LONG_AGO:%Y-%m-%d %H:%M} UTC" in answered.detail
        assert claims[:20] not in answered.detail

    def test_come_from_files_too(self, api: ApiServer, to: Connect, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(f"{ADMIN_TOKEN}\n")
        assert len(nodes(to(api.url, "", tokenFile="token"))) == 3

    def test_a_name_and_a_password(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [EMPTY], tls) as server:
            assert nodes(to(server.url, "", username="ann", password="hunter22")) == ()

    def test_are_hidden_even_when_the_server_repeats_them(self, tls: ssl.SSLContext, to: Connect) -> None:
        basic = base64.b64encode(b"ann:hunter22").decode()
        for token, user, secret in (
            (ADMIN_TOKEN, {}, ADMIN_TOKEN),
            ("", {"username": "ann", "password": "hunter22"}, basic),
        ):
            body = json.dumps({"message": f"bad header {secret} of you"}).encode()
            with RawServer(lambda _, body=body: [answer(body, status="403 Forbidden")], tls) as server:
                answered = why_not(to(server.url, token, **user))
            assert answered.detail == "bad header (withheld) of you (HTTP 403)"

    def test_that_no_header_can_carry(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [EMPTY], tls) as server:
            for token in ("line\nbreak-secret", "umlaut-ü-密-secret"):
                answered = why_not(to(server.url, token))
                assert answered.reason is Reason.INVALID
                assert "secret" not in repr(answered)


class TestPlugins:
    """Credential plugins, run by the kubernetes client."""

    def plugin(self, directory: Path, code: str) -> dict[str, Any]:
        path = directory / "plugin"
        path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{code}\n")
        path.chmod(stat.S_IRWXU)
        return {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./plugin",
            "env": [{"name": "PASSPHRASE", "value": "open-sesame"}],
            "interactiveMode": "Never",
        }

    def says(self, directory: Path, **status: str) -> dict[str, Any]:
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": status,
        }
        return self.plugin(directory, f"print({json.dumps(credential)!r})")

    def test_that_give_a_token(self, api: ApiServer, to: Connect, tmp_path: Path) -> None:
        plugin = self.says(tmp_path, token=ADMIN_TOKEN, expirationTimestamp="2099-01-01T00:00:00Z")
        assert len(nodes(to(api.url, "", exec=plugin, patience=Patience()))) == 3

    def test_that_give_a_certificate(self, authority: Any, to: Connect, tmp_path: Path) -> None:
        wanting = server_side(authority.issue_cert("127.0.0.1"))
        authority.configure_trust(wanting)
        wanting.verify_mode = ssl.CERT_REQUIRED
        ann = authority.issue_cert("ann.example")
        pems = ann.cert_chain_pems[0].bytes().decode(), ann.private_key_pem.bytes().decode()
        plugin = self.says(tmp_path, clientCertificateData=pems[0], clientKeyData=pems[1])
        with RawServer(lambda _: [EMPTY], wanting) as server:
            assert nodes(to(server.url, "", exec=plugin, patience=Patience())) == ()

    def test_that_fail_say_why_but_not_what_they_know(
        self, api: ApiServer, to: Connect, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        plugin = self.plugin(tmp_path, "sys.exit('no session for ' + os.environ['PASSPHRASE'])")
        answered = why_not(to(api.url, "", exec=plugin, patience=Patience()))
        assert answered.reason is Reason.UNAUTHORIZED
        assert f'plugin "{tmp_path}/plugin" failed: ' in answered.detail
        assert "no session for (withheld)" in answered.detail
        assert "open-sesame" not in "".join(capfd.readouterr())
        assert not [h for h in logging.getLogger().handlers if type(h).__module__.startswith("kedoctor")]

    def test_that_are_not_there(self, api: ApiServer, to: Connect) -> None:
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}
        answered = why_not(to(api.url, "", exec=plugin, patience=Patience()))
        assert answered.reason is Reason.UNAUTHORIZED
        assert "no-such-plugin" in answered.detail

    def test_that_hang_are_ended(self, api: ApiServer, to: Connect, tmp_path: Path) -> None:
        plugin = self.plugin(
            tmp_path, f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        )
        cluster = to(api.url, "", exec=plugin, patience=Patience(plugin=2.0))
        started = time.monotonic()
        assert why_not(cluster).reason is Reason.TIMEOUT
        assert why_not(cluster, GetPath("/version")).reason is Reason.TIMEOUT
        assert time.monotonic() - started < 4
        pid = int((tmp_path / "pid").read_text())
        deadline = time.monotonic() + 2
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not Path(f"/proc/{pid}").exists()


def test_the_client_library_is_loaded_for_plugins_only(
    api: ApiServer, authority: Any, tmp_path: Path
) -> None:
    path = api.kubeconfig(tmp_path / "kc", authority.cert_pem.bytes(), ADMIN_TOKEN)
    code = (
        "import sys; from kedoctor.observe.live.cluster import LiveCluster; from kedoctor.model.observations.apiserver import GetPath\n"
        f"assert LiveCluster({str(path)!r}).observe(GetPath('/version')).status == 200\n"
        "print(*(name for name in ('kubernetes', 'urllib3', 'requests', 'yaml') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == ""


class TestProxies:
    def proxy(self, target: str) -> RawServer:
        """A proxy that says no, and so that it was asked."""
        refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
        return RawServer(lambda asked: [refusal if asked == f"CONNECT {target}" else b"", b""])

    def test_of_the_kubeconfig_is_asked(self, to: Connect) -> None:
        with self.proxy("10.0.0.1:6443") as proxy:
            url = "https://10.0.0.1:6443"
            with_secret = proxy.url.replace("http://", "http://ann:hunter22@")
            answered = why_not(to(url, cluster={"server": url, "proxy-url": with_secret}))
        assert answered.reason is Reason.UNREACHABLE
        assert "407 Proxy Authentication Required" in answered.detail
        assert "hunter22" not in answered.detail

    def test_of_a_kind_that_is_not_spoken(self, to: Connect) -> None:
        answered = why_not(
            to("https://10.0.0.1", cluster={"server": "https://10.0.0.1", "proxy-url": "socks5://p:1"})
        )
        assert (answered.reason, "socks5" in answered.detail) == (Reason.NOT_CONFIGURED, True)

    def test_of_the_environment_is_not_for_this_machine(self, api: ApiServer, to: Connect) -> None:
        before = os.environ.get("HTTPS_PROXY")
        os.environ["HTTPS_PROXY"] = "http://127.0.0.1:9"
        try:
            assert len(nodes(to(api.url))) == 3
        finally:
            os.environ.pop("HTTPS_PROXY") if before is None else os.environ.update(HTTPS_PROXY=before)
