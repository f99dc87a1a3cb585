"""Two cloudcores with real rules and connections: each port leads to the cloudcore that has the sessions of its edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dnat_site import CLOUD, CLOUD2, EDGE2, PORT, PORT2, Site, opened
from host_unchanged import host_unchanged
from netns import BACKENDS, Backend, missing

_MISSING = missing() or missing("nft", "iptables-nft-save", "iptables-legacy-save")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

CODES = ("KE301", "KE302", "KE303", "KE304", "KE309", "KE508")
ASK = """
import http.client, ssl, sys
peer = http.client.HTTPSConnection(sys.argv[1], int(sys.argv[2]), context=ssl._create_unverified_context(), timeout=5)
peer.request("GET", "/stats/summary", headers={"Host": "edge2"})
print(peer.getresponse().status)
"""


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with host_unchanged():
        yield


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from opened(tmp_path_factory.mktemp("two"), two=True)


@pytest.fixture
def site(module_site: Site) -> Iterator[Site]:
    yield module_site
    module_site.clear()


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {code: verdict["status"] for code, verdict in found.items()}


def asked_for_edge2(site: Site) -> int:
    """What comes back when this host asks for edge2 as kube-apiserver does."""
    return int(site.cloud.exec_python(ASK, EDGE2, PORT2))


def both(site: Site, backend: Backend) -> None:
    """The chain of iptables-manager with a rule for each cloudcore."""
    site.manager(backend, PORT)
    site.rule(backend, f"{CLOUD2}:10003", chain="TUNNEL-PORT", port=PORT2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_port_leads_to_its_own_cloudcore(site: Site, backend: Backend) -> None:
    both(site, backend)
    assert asked_for_edge2(site) == 200
    assert states(site.judged(*CODES)) == dict.fromkeys(CODES, "pass")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rule_to_the_other_cloudcore_finds_no_session(site: Site, backend: Backend) -> None:
    site.rule(backend, f"{CLOUD}:10003", port=PORT2)
    both(site, backend)
    assert asked_for_edge2(site) == 500
    found = site.judged(*CODES)
    assert {code for code, state in states(found).items() if state == "fail"} == {"KE304"}
    assert found["KE304"]["node"] == "edge2"
    assert f"belongs to cloudcore {CLOUD2}" in found["KE304"]["summary"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_missing_rule_concerns_the_edges_of_one_cloudcore(site: Site, backend: Backend) -> None:
    site.manager(backend, PORT)
    found = site.judged(*CODES)
    assert {code for code, state in states(found).items() if state == "fail"} == {"KE303", "KE309"}
    assert (found["KE303"]["node"], found["KE309"]["node"]) == ("edge2", "edge2")


def test_a_cloudcore_that_ended_breaks_its_own_edges(module_site: Site) -> None:
    site = module_site  # the last test: nothing starts that cloudcore again
    both(site, "legacy")
    assert site.far is not None
    site.far.kill()
    site.far.wait()
    found = site.judged(*CODES)
    assert {code for code, state in states(found).items() if state == "fail"} == {"KE508"}
    assert found["KE508"]["node"] == "edge2"
