"""What the attack on version 0.1.0 found, where no test of a room holds its kind already; and the page that lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from canaries_everywhere import texts_in
from hostile import kedoctor

from kedoctor.model.findings import Status
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.testing import _host, plugins_with

ROOT = Path(__file__).parents[3]
CANARY = "QzCanaryCanary7"
EDGECORE = "apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\nmodules:\n  edgeHub:\n    enable: true\n"


def test_every_test_that_the_page_names_exists() -> None:
    for page in ("docs/security.md", "SECURITY.md"):
        named = set(re.findall(r"`(tests/[\w./-]+)", (ROOT / page).read_text()))
        assert not [one for one in named if not (ROOT / one).exists()]
    rows = re.findall(r"^\| ([HM]\d) ", (ROOT / "docs/security.md").read_text(), re.MULTILINE)
    assert rows == [*(f"H{number}" for number in range(1, 5)), *(f"M{number}" for number in range(1, 9))]


@pytest.mark.parametrize(
    "written",
    [
        f"    token: *{CANARY}\n",
        f"    tokn: {CANARY}\n",
        f"    token: !{CANARY} x\n",
        f"    token: {{{CANARY}\n",
        f"    mqttPassword: [{CANARY}]\n",
        f"  {CANARY}: &x\n    token: {CANARY}\n",
    ],
)
def test_what_is_wrong_in_a_file_is_told_without_what_it_holds(written: str) -> None:
    site = _host({"/etc/kubeedge/config/edgecore.yaml": EDGECORE + written})
    report = diagnose_site(plugins_with(), site, RunRequest())
    assert any(one.status in (Status.FAIL, Status.WARN, Status.UNKNOWN) for one in report.verdicts)
    told = [one for one in texts_in(report) if CANARY in one]
    # The name of a key is no secret; what it may stand for is.
    assert not [one for one in told if f"{CANARY}: " not in f"{one}: "], told


@pytest.mark.parametrize("key", ["tokenFile", "client-key", "client-certificate"])
def test_a_kubeconfig_that_names_an_endless_file_ends(tmp_path: Path, key: str) -> None:
    path = tmp_path / "config"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
        "clusters:\n- name: x\n  cluster: {server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}\n"
        f"users:\n- name: x\n  user: {{{key}: /dev/zero, client-certificate-data: '', client-key-data: ''}}\n"
        "contexts:\n- name: x\n  context: {cluster: x, user: x}\n"
    )
    kedoctor("run", "--only", "KE101", "--kubeconfig", str(path)).must_be_civil()
