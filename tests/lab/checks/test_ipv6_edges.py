"""The rules of iptables-manager and an edge with an IPv6 address, in the kernel: only the IPv4 connection is diverted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dnat_site import EDGE, PORT, Site, opened
from host_unchanged import host_unchanged
from netns import BACKENDS, Backend, missing

_MISSING = missing() or missing("nft", "iptables-nft-save", "iptables-legacy-save")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

ASK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with host_unchanged():
        yield


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for site in opened(tmp_path_factory.mktemp("six")):
        for place, address in ((site.cloud, "fd00::1/64"), (site.edge, "fd00::2/64")):
            place.run(["ip", "address", "add", address, "dev", "eth0", "nodad"])
        yield site


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_ipv6_connection_passes_the_rules_by(module_site: Site, backend: Backend) -> None:
    site = module_site
    site.manager(backend, PORT)
    asked = {address: site.cloud.exec_python(ASK, address, PORT).strip() for address in (EDGE, "fd00::2")}
    site.clear()
    assert asked == {EDGE: "connected", "fd00::2": "ConnectionRefusedError"}
