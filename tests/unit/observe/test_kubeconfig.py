"""Which configuration is used: the order of kubectl, files merged, and every way one can be unusable."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kedoctor.base.errors import ExitCode, KubeconfigError
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.observe.live.api_errors import ApiFailure
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.observe.live.credential_plugin import CredentialPlugin
from kedoctor.observe.live.kubeconfig import KUBEADM, SERVICE_ACCOUNT, Found, find_kubeconfig

PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").decode()
TOKEN = "sha256~3kR9-very-secret"
HOME = "/home/ann/.kube/config"
RKE2 = "/etc/rancher/rke2/rke2.yaml"
MICROK8S = "/var/snap/microk8s/current/credentials/client.config"
K3S = "/etc/rancher/k3s/k3s.yaml"
DENIED = PermissionError(13, "Permission denied")


def config(
    server: str = "https://10.0.0.1:6443", *, name: str = "lab", current: str | None = None, **parts: Any
) -> str:
    """A kubeconfig with one context; JSON is YAML. ``cluster`` and ``user`` add keys to those entries."""
    cluster = {"server": server, "certificate-authority-data": PEM} | parts.get("cluster", {})
    return json.dumps(
        {
            "kind": "Config",
            "current-context": name if current is None else current,
            "clusters": [{"name": name, "cluster": cluster}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": {"token": TOKEN} | parts.get("user", {})}],
        }
    )


class Files:
    """A file system of texts and errors."""

    def __init__(self, files: Mapping[str, str | OSError]) -> None:
        self.files = files

    def __call__(self, path: str) -> bytes:
        content = self.files.get(path, FileNotFoundError(2, "No such file or directory"))
        if isinstance(content, OSError):
            raise content
        return content.encode()


def find(
    files: Mapping[str, str | OSError], kubeconfig: str = "", context: str = "", **environment: str
) -> Found | Unavailable:
    return find_kubeconfig(
        kubeconfig, context, environment={"HOME": "/home/ann"} | environment, read=Files(files)
    )


def found(files: Mapping[str, str | OSError], *args: str, **environment: str) -> Found:
    answer = find(files, *args, **environment)
    assert isinstance(answer, Found), answer
    return answer


def unavailable(files: Mapping[str, str | OSError], **environment: str) -> Unavailable:
    answer = find(files, **environment)
    assert isinstance(answer, Unavailable)
    return answer


POD = {
    "KUBERNETES_SERVICE_HOST": "10.43.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}
EVERYWHERE: dict[str, str | OSError] = {
    "/named": config("https://named"),
    "/one": config("https://one"),
    HOME: config("https://home"),
    f"{SERVICE_ACCOUNT}/token": "pod-token",
    K3S: config("https://k3s"),
    KUBEADM: config("https://kubeadm"),
}


def without(*paths: str) -> dict[str, str | OSError]:
    return {path: text for path, text in EVERYWHERE.items() if path not in paths}


def test_the_order_is_that_of_kubectl() -> None:
    named = found(EVERYWHERE, "/named", KUBECONFIG="/one", **POD)
    assert (named.server, named.origin) == ("https://named", "--kubeconfig")
    variable = found(EVERYWHERE, KUBECONFIG="/one", **POD)
    assert (variable.server, variable.origin, variable.paths) == ("https://one", "KUBECONFIG", ("/one",))
    assert found(EVERYWHERE, **POD).server == "https://home"
    assert found(without(HOME), **POD).server == "https://10.43.0.1:443"
    assert found(without(HOME)).server == "https://k3s"
    assert found(without(HOME, K3S)).server == "https://kubeadm"
    for place in (RKE2, MICROK8S):
        assert found({place: config("https://there")}).server == "https://there"


def test_nothing_at_all_says_where_was_looked() -> None:
    answer = unavailable({})
    assert answer.reason is Reason.NOT_CONFIGURED
    for place in ("KUBECONFIG", HOME, K3S, RKE2, MICROK8S, KUBEADM, "not a pod"):
        assert place in answer.detail


def test_under_sudo_the_callers_own_kubeconfig_is_pointed_at() -> None:
    answer = unavailable({HOME: config()}, HOME="/root", SUDO_USER="ann")
    assert answer.reason is Reason.NOT_CONFIGURED
    assert f"--kubeconfig {HOME}" in answer.detail


def test_a_pod_is_known_by_its_service_account() -> None:
    pod = found({f"{SERVICE_ACCOUNT}/token": "x"}, **POD)
    assert pod.origin == "in-cluster"
    assert pod.cluster["certificate-authority"] == f"{SERVICE_ACCOUNT}/ca.crt"
    assert pod.user == {"tokenFile": f"{SERVICE_ACCOUNT}/token"}
    assert unavailable({}, **POD).reason is Reason.NOT_CONFIGURED
    six = found({f"{SERVICE_ACCOUNT}/token": "x"}, **POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"})
    assert six.server == "https://[fd00::1]:443"


def test_the_root_prefix_is_for_the_systems_files() -> None:
    files = Files({f"/sysroot{K3S}": config("https://there")})
    answer = find_kubeconfig(environment={"HOME": "/home/ann"}, root="/sysroot/", read=files)
    assert isinstance(answer, Found)
    assert answer.server == "https://there"


def test_k3s_file_that_may_not_be_read_says_what_to_do() -> None:
    answer = unavailable({K3S: DENIED})
    assert (answer.reason, answer.what) == (Reason.PERMISSION, K3S)
    assert "sudo" in answer.detail
    assert "--write-kubeconfig-mode 644" in answer.detail
    assert found({K3S: DENIED, KUBEADM: config("https://kubeadm")}).server == "https://kubeadm"


def test_ones_own_kubeconfig_that_may_not_be_read_is_not_passed_over() -> None:
    answer = unavailable({HOME: DENIED, K3S: config()})
    assert (answer.reason, answer.what) == (Reason.PERMISSION, HOME)
    assert f"sudo chown $(id -u):$(id -g) {HOME}" in answer.detail


@pytest.mark.parametrize("text", ["", "{}", "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: null\n"])
def test_a_kubeconfig_that_holds_nothing_is_as_good_as_none(text: str) -> None:
    assert found({HOME: text, K3S: config("https://k3s")}).server == "https://k3s"
    assert unavailable({HOME: text}).reason is Reason.NOT_CONFIGURED


class TestMerging:
    def test_what_stands_first_counts(self) -> None:
        files = {"/a": config("https://a", current=""), "/b": config("https://b"), "/c": config(name="other")}
        merged = found(files, KUBECONFIG="/a:/b::/c")
        assert (merged.server, merged.context, merged.paths) == ("https://a", "lab", ("/a", "/b", "/c"))
        assert found(files, "", "other", KUBECONFIG="/a:/c").server == "https://10.0.0.1:6443"

    def test_absent_files_are_passed_over_unless_all_are(self) -> None:
        assert found({"/b": config()}, KUBECONFIG="/gone:/b").paths == ("/b",)
        answer = unavailable({HOME: config()}, KUBECONFIG="/gone:/away")
        assert answer.reason is Reason.NOT_CONFIGURED
        assert "/gone and /away" in answer.detail

    def test_an_empty_variable_is_none(self) -> None:
        assert found({HOME: config("https://home")}, KUBECONFIG=":").server == "https://home"

    def test_parts_of_one_context_may_come_from_several_files(self) -> None:
        cluster = {
            "clusters": [{"name": "c", "cluster": {"server": "https://c", "certificate-authority": "ca"}}]
        }
        user = {
            "users": [{"name": "u", "user": {"client-certificate": "../u.crt", "client-key": "/k/u.key"}}]
        }
        context = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
        files = {
            "/one/kc": json.dumps(cluster),
            "/two/kc": json.dumps(user),
            "/three/kc": json.dumps(context),
        }
        files |= {"/one/ca": "", "/u.crt": "", "/k/u.key": ""}
        merged = found(files, KUBECONFIG="/one/kc:/two/kc:/three/kc")
        assert merged.cluster["certificate-authority"] == "/one/ca"
        assert merged.user == {"client-certificate": "/u.crt", "client-key": "/k/u.key"}

    def test_relative_plugins_and_token_files_are_found_beside_their_file(self) -> None:
        user = {"token": None, "tokenFile": "t", "exec": {"command": "./bin/login", "apiVersion": "v1"}}
        entry = found({"/x/kc": config(user=user), "/x/t": ""}, "/x/kc").user
        assert entry["tokenFile"] == "/x/t"
        assert entry["exec"]["command"] == "/x/bin/login"
        user["exec"] = {"command": "aws", "apiVersion": "v1"}
        assert found({"/x/kc": config(user=user), "/x/t": ""}, "/x/kc").user["exec"]["command"] == "aws"


class TestNamed:
    @pytest.mark.parametrize(
        ("files", "kubeconfig", "context", "says"),
        [
            ({}, "/gone", "", "/gone: the kubeconfig that was named does not exist"),
            ({"/x": DENIED}, "/x", "", "may not read it"),
            ({"/x": IsADirectoryError(21, "Is a directory")}, "/x", "", "Is a directory"),
            ({"/x": "a: b: c: ["}, "/x", "", "not YAML"),
            ({"/x": "- a list\n"}, "/x", "", "not YAML of a kubeconfig"),
            ({"/x": "{}"}, "/x", "", "no contexts"),
            ({"/x": config()}, "/x", "other", 'no context "other": it has lab'),
            ({HOME: config()}, "", "other", 'no context "other": it has lab'),
            ({}, "", "other", "do not exist"),
            ({"/x": config(current="away")}, "/x", "", '"away" is not there: it has lab'),
            ({"/x": config(current="")}, "/x", "", "no current-context: it has lab"),
            ({"/x": config("")}, "/x", "", "no server"),
            ({"/x": config("ftp://a")}, "/x", "", "not an HTTP or HTTPS URL"),
            ({"/x": config("https://a:port")}, "/x", "", "not a URL"),
            ({"/x": config(cluster={"certificate-authority-data": "%%%"})}, "/x", "", "no PEM block"),
            ({"/x": config(cluster={"certificate-authority-data": "abcde"})}, "/x", "", "not base64"),
            ({"/x": config(user={"client-key": "k"})}, "/x", "", "its client-key /k: No such file"),
            (
                {"/x": config(user={"client-key": "k"}), "/k": DENIED},
                "/x",
                "",
                "may not read its client-key /k",
            ),
            ({"/x": config(user={"token": 12345678})}, "/x", "", "its token is not a string"),
            ({"/x": '{"contexts": {"lab": {}}}'}, "/x", "", "contexts are not a list"),
            ({"/x": '{"contexts": [{"context": {}}]}'}, "/x", "", "without name"),
            ({"/x": '{"contexts": [7]}'}, "/x", "", "without name"),
        ],
    )
    def test_what_was_named_must_be_usable(
        self, files: dict[str, str | OSError], kubeconfig: str, context: str, says: str
    ) -> None:
        with pytest.raises(KubeconfigError) as caught:
            find(files, kubeconfig, context)
        assert says in str(caught.value)
        assert caught.value.exit_code == ExitCode.CONFIGURATION == 78

    def test_a_context_chooses_cluster_and_user(self) -> None:
        files = {"/x": config("https://a"), "/y": config("https://b", name="other")}
        assert found(files, "", "other", KUBECONFIG="/x:/y").server == "https://b"

    def test_a_dangling_context_is_told_by_its_name(self) -> None:
        text = (
            '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}'
        )
        answer = unavailable({HOME: text})
        assert (answer.reason, answer.what) == (Reason.INVALID, HOME)
        assert answer.detail == 'context "x" names the cluster "c", which is not there'

    def test_home_is_what_the_tilde_means(self) -> None:
        assert found({"/home/ann/kc": config()}, "~/kc").paths == ("/home/ann/kc",)


class TestServer:
    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("https://10.0.0.1:6443/", "https://10.0.0.1:6443"),
            ("10.0.0.1:6443", "https://10.0.0.1:6443"),
            ("https://ann:pass@rancher.example/k8s/clusters/c-x", "https://rancher.example/k8s/clusters/c-x"),
            ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ],
    )
    def test_is_kept_without_user_information(self, written: str, read: str) -> None:
        assert found({HOME: config(written)}).server == read


def test_credentials_stay_out_of_every_text() -> None:
    key = base64.b64encode(b"-----BEGIN EC PRIVATE KEY-----\nprivate\n").decode()
    answer = found({HOME: config(user={"client-key-data": key, "password": "hunter22"})})
    for text in (repr(answer), str(answer)):
        assert TOKEN not in text
        assert key not in text
        assert "hunter22" not in text
    assert str(answer) == f'context "lab" of {HOME}'
    with pytest.raises(KubeconfigError) as caught:
        find({"/x": f"users:\n- name: a\n  user:\n    token: {TOKEN}\n   bad: ["}, "/x")
    assert TOKEN not in str(caught.value) + caught.value.hint


def test_a_user_that_needs_the_client_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "login-helper"}}
    found = Found("--kubeconfig", ("/c",), "lab", "https://10.0.0.1:6443", "ann", {}, user)
    with pytest.raises(ApiFailure) as raised:
        CredentialPlugin(found, str, time=20.0).make()
    assert raised.value.reason is Reason.TOOL_MISSING
    assert "pip install 'kedoctor[kubernetes]'" in str(raised.value)
    assert 'plugin "login-helper"' in str(raised.value)


def test_a_working_directory_that_is_gone_is_in_nobody_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole path needs none."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    found = LiveCluster(environment={"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}).server()
    assert isinstance(found, Unavailable)
