"""kube-proxy in nftables mode with real rules: its own table leaves the tunnel port to iptables-manager's rule."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dnat_site import CLOUD, CLUSTER_IP, EDGE, PORT, Site, opened
from host_unchanged import host_unchanged
from netns import BACKENDS, Backend, missing

_MISSING = missing() or missing("nft", "iptables-nft-save", "iptables-legacy-save")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

# What kubernetes pkg/proxy/nftables/proxier.go makes of one Service with one endpoint, shortened to one map.
KUBE_PROXY = f"""
table ip kube-proxy {{
    map service-ips {{
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = {{ {CLUSTER_IP} . tcp . 10003 : goto service-cloudcore }}
    }}
    chain service-cloudcore {{
        meta l4proto tcp dnat to {CLOUD}:10003
    }}
    chain services {{
        ip daddr . meta l4proto . th dport vmap @service-ips
    }}
    chain nat-output {{
        type nat hook output priority -100; policy accept;
        jump services
    }}
    chain nat-prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        jump services
    }}
}}
"""
ASK = """
import http.client, ssl, sys
peer = http.client.HTTPSConnection(sys.argv[1], int(sys.argv[2]), context=ssl._create_unverified_context(), timeout=2)
try:
    peer.request("GET", "/")
    print(peer.getresponse().status)
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with host_unchanged():
        yield


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for site in opened(tmp_path_factory.mktemp("modes")):
        site.cloud.run(["nft", "-f", "-"], stdin=KUBE_PROXY)
        yield site


@pytest.fixture
def site(module_site: Site) -> Iterator[Site]:
    yield module_site
    module_site.clear()


def asked(site: Site, address: str, port: int) -> str:
    return site.cloud.exec_python(ASK, address, port).strip()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_managers_rule_acts_beside_kube_proxys_table(site: Site, backend: Backend) -> None:
    site.manager(backend, PORT)
    assert asked(site, CLUSTER_IP, 10003) == "404"  # kube-proxy's own work
    assert asked(site, EDGE, PORT) == "404"
    found = site.judged("KE303", "KE304", "KE309")
    assert {code: one["status"] for code, one in found.items()} == dict.fromkeys(
        ("KE303", "KE304", "KE309"), "pass"
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rule_to_the_cluster_ip_is_a_black_hole_here_too(site: Site, backend: Backend) -> None:
    site.rule(backend, f"{CLUSTER_IP}:10003")
    assert asked(site, CLUSTER_IP, 10003) == "404"  # which proves nothing of the rule
    assert asked(site, EDGE, PORT) == "TimeoutError"
    found = site.judged("KE304", "KE309")
    assert {code: one["status"] for code, one in found.items()} == {"KE304": "fail", "KE309": "fail"}
