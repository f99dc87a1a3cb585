"""The network that an install writes, made by the real CNI plugins: a pod gets an address and one default route."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from netns import NetworkNamespace, missing

from kedoctor.checks.parsers.cni_config import conflist, gives_default_route_twice

PLUGINS = next(
    (one for one in map(Path, ("/opt/cni/bin", "/usr/lib/cni")) if (one / "bridge").exists()), None
)
REASON = missing("unshare", "nsenter", "ip", "iptables") or (
    "" if PLUGINS else "needs CNI plugins (apt-get install containernetworking-plugins)"
)
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(REASON), reason=REASON)]


def added(host: NetworkNamespace, plugin: dict[str, Any]) -> dict[str, Any]:
    """What a plugin answers; run in the network of ``host`` as a runtime runs it.

    Raises:
        AssertionError: it refused; the message is its own.
    """
    ran = subprocess.run(
        ["nsenter", f"--net={host.path}", "--", f"{PLUGINS}/{plugin['type']}"],
        input=json.dumps(plugin),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env=host.env
        | os.environ
        | {"CNI_COMMAND": "ADD", "CNI_PATH": str(PLUGINS), "CNI_IFNAME": "eth0"}
        | {"CNI_CONTAINERID": "pod-1", "CNI_NETNS": plugin["pod"]},
    )
    answer: dict[str, Any] = json.loads(ran.stdout or "{}")
    assert ran.returncode == 0, answer.get("msg", ran.stderr)
    return answer


@contextmanager
def pod(directory: Path, **changed: Any) -> Iterator[tuple[NetworkNamespace, dict[str, Any], dict[str, Any]]]:
    """The network of a pod, what ``bridge`` is asked for, and its answer."""
    network = json.loads(conflist("10.244.7.0/24"))
    bridge: dict[str, Any] = network["plugins"][0] | changed
    bridge["ipam"]["dataDir"] = str(directory)  # addresses in use are kept outside of the network namespace
    request = bridge | {"name": network["name"], "cniVersion": network["cniVersion"]}
    with NetworkNamespace() as host, NetworkNamespace() as inside:
        request["pod"] = inside.path
        yield inside, request, added(host, request)  # nothing to remove: it ends with the namespaces


def test_a_pod_gets_an_address_and_one_default_route(tmp_path: Path) -> None:
    with pod(tmp_path) as (inside, request, answer):
        assert not gives_default_route_twice(request)
        assert [one["address"] for one in answer["ips"]] == ["10.244.7.2/24"]
        routes = json.loads(inside.run(["ip", "-j", "-4", "route"]).stdout)
        assert [one["gateway"] for one in routes if one["dst"] == "default"] == ["10.244.7.1"]
        assert inside.run(["ping", "-c", "1", "-W", "2", "10.244.7.1"], check=False).returncode in (0, 127)


def test_with_the_default_route_twice_no_pod_starts(tmp_path: Path) -> None:
    """What kedoctor 0.1.0 wrote; the plugins say so themselves."""
    twice = json.loads(conflist("10.244.7.0/24"))["plugins"][0] | {"isDefaultGateway": True}
    assert gives_default_route_twice(twice)
    with pytest.raises(AssertionError, match="file exists"), pod(tmp_path, isDefaultGateway=True):
        pass
