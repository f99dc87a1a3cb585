"""The recorded site as one of every release line (release_site.py): what is true of it is told, and nothing else.

Twice a line, where patch releases differ in what they do: before and after a change was ported back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from faults import named
from faults_edge import edgecore_ended
from faulty_site import CLOUD, EDGE
from release_site import RECORDED, RELEASES, ReleaseSite, number

from kedoctor.base.records import replace
from kedoctor.model.findings import Status
from kedoctor.model.observations.network import InterfaceAddress
from kedoctor.model.observations.processes import Process
from kedoctor.model.report import Report

LINES = ("v1.17.0", "v1.19.0", "v1.20.0", "v1.21.0", "v1.22.0", "v1.23.0")
BAD = (Status.WARN, Status.FAIL, Status.CRASHED, Status.BLOCKED, Status.SETTLING)

# What is true of a healthy site, and of which releases.
TRUE = {
    # An edge of the recorded network reaches cloudcore's stream port, which asks nobody who they are (facts.md §4.2).
    "KE507": set(RELEASES),
    # The vulnerabilities of 2026 are fixed in these only; up to v1.20 they are in none (versions.md §1.1).
    "KE804": set(RELEASES) - {"v1.21.2", "v1.22.2", "v1.23.1"},
    # cloudcore does not save the join token that it refreshes: 24 h after its start no edge joins (versions.md §4).
    "KE409": {"v1.18.1", "v1.19.0"},
    # The chart's ClusterRole has no right on devicestatuses, as cloudcore's log says (versions.md §4); streams work.
    "KE113": {"v1.23.0", "v1.23.1"},
}
# What nobody recorded (facts.md has no recording of it), so that it is unknown, whatever the release.
NOT_RECORDED = {"KE412", "KE601", "KE607", "KE911", "KE912", "KE923"}

Inject = Callable[[ReleaseSite], None]


@cache
def healthy(release: str) -> Report:
    return ReleaseSite(release=release).report()


def look(release: str, *injections: Inject) -> Report:
    site = ReleaseSite(release=release)
    for inject in injections:
        inject(site)
    return site.report()


def said(report: Report, code: str) -> str:
    """What a check says, all of its findings."""
    return " ".join(one.summary for one in report.verdicts if one.code == code)


def cause(report: Report) -> Any:
    """The only cause, as a verdict."""
    assert len(report.causes) == 1, [one.summary for one in report.causes]
    found = report.causes[0]
    return next(one for one in report.verdicts if (one.code, one.summary) == (found.code, found.summary))


# ----------------------------------------------------------------------------------------------------------- healthy


def test_the_sites_are_of_every_line() -> None:
    assert {one.rpartition(".")[0] for one in RELEASES} == {
        f"v1.{minor}" for minor in (17, 18, 19, 20, 21, 22, 23)
    }
    assert set(LINES) <= set(RELEASES)


@pytest.mark.parametrize("release", RELEASES)
def test_a_healthy_site_has_no_finding_but_the_true_ones(release: str) -> None:
    report = healthy(release)
    assert report.causes == ()
    wrong = {one.code for one in report.verdicts if one.status in BAD}
    assert wrong == {code for code, releases in TRUE.items() if release in releases}
    assert {one.code for one in report.verdicts if one.status is Status.UNKNOWN} == NOT_RECORDED
    states = {cell.state for row in report.matrix for cell in row.capabilities}
    assert states <= {"works", "clear", "unknown"}, states


@pytest.mark.parametrize("release", RELEASES)
def test_a_healthy_site_is_named_by_its_release(release: str) -> None:
    report = healthy(release)
    assert f"cloudcore and edges are {release}, on Kubernetes v1." in said(report, "KE803")
    kinds = (
        "a NodeUpgradeJob or ConfigUpdateJob" if number(release) >= (1, 21) else "lets a NodeUpgradeJob run"
    )
    assert (kinds in said(report, "KE804")) is (release in TRUE["KE804"])


@pytest.mark.parametrize(
    ("release", "mode", "backend", "port"),
    [
        ("v1.17.0", "internal", "legacy", 10351),
        ("v1.17.5", "external", "legacy", 10358),
        ("v1.18.1", "internal", "nft", 10351),
        ("v1.19.0", "internal", "nft", 10351),
        ("v1.19.2", "external", "nft", 10358),
        ("v1.20.0", "external", "nft", 10358),
        ("v1.21.0", "external", "legacy", 10358),
        ("v1.23.1", "external", "legacy", 10358),
    ],
)
def test_who_writes_the_rule_where_and_for_which_port(
    release: str, mode: str, backend: str, port: int
) -> None:
    """versions.md §4: mode of the chart, base of the images, and whether a port moves."""
    report = healthy(release)
    assert f"mode {mode}" in said(report, "KE107")
    assert f"Port {port} is diverted" in said(report, "KE303")
    assert f"by a rule of iptables-manager in iptables-{backend}" in said(report, "KE303")
    assert f"iptables-manager's (iptables-{backend})" in said(report, "KE308")


def test_an_unknown_release_is_not_known_and_breaks_nothing() -> None:
    """A build of master: what depends on the release is unknown, the site is as healthy as before."""

    def of_master(site: ReleaseSite) -> None:
        def tagged(item: Any) -> Any:
            made = item.spec.template.spec
            containers = tuple(replace(one, image="kubeedge/cloudcore:master") for one in made.containers)
            template = replace(item.spec.template, spec=replace(made, containers=containers))
            return replace(item, spec=replace(item.spec, template=template))

        site.change("Deployment", "cloudcore", tagged)

    report = look(RECORDED, of_master)
    assert report.causes == ()
    unknown = {one.code for one in report.verdicts if one.status is Status.UNKNOWN}
    assert {"KE803", "KE804"} <= unknown
    stale = look(RECORDED, of_master, named("stale-rule").inject)
    assert "is unknown" in str(cause(stale).expected)


# ------------------------------------------------------------------------------- faults that show by every release's rule


@pytest.mark.parametrize(
    ("name", "release"),
    [
        *itertools.product(("wrong-dnat-target", "tunnelport-record-broken", "stale-rule"), LINES),
        *itertools.product(("foreign-redirect", "kubelet-port-wrong"), ("v1.17.0", "v1.20.0")),
    ],
)
def test_a_broken_diversion_is_named_on_every_release(name: str, release: str) -> None:
    """The rule stands in another backend, for another port, and another program wrote it."""
    fault = named(name)
    assert [one.code for one in look(release, fault.inject).causes] == [fault.code]


@pytest.mark.parametrize(
    ("release", "moves"),
    [
        ("v1.17.0", "cloudcore v1.17.0 keeps its port"),
        ("v1.17.5", "every new cloudcore pod of v1.17.5 takes another port"),
        ("v1.23.0", "every new cloudcore pod of v1.23.0 takes another port"),
    ],
)
def test_a_rule_that_is_left_over_says_whether_ports_move(release: str, moves: str) -> None:
    assert moves in str(cause(look(release, named("stale-rule").inject)).expected)


@pytest.mark.parametrize("release", ["v1.17.5", "v1.20.0", "v1.23.1"])
@pytest.mark.parametrize("name", ["manager-missing", "manager-internal-too", "stream-port-moved"])
def test_what_breaks_an_external_manager(release: str, name: str) -> None:
    fault = named(name)
    found = cause(look(release, fault.inject))
    assert found.code == fault.code
    if name == "manager-internal-too":
        assert f"the default of {release} is external" in str(found.expected)


def _without_daemonset(site: ReleaseSite) -> None:
    """Somebody took over a file for v1.20: mode external, where no DaemonSet was ever installed."""
    site.cloudcore("modules.iptablesManager.mode", "external")
    rule = f"-A TUNNEL-PORT -p tcp -m tcp --dport {site.tunnel_port} -j DNAT --to-destination {CLOUD}:10003\n"
    site.change_rules(rule, "")


@pytest.mark.parametrize("release", ["v1.17.0", "v1.18.1", "v1.19.0"])
def test_what_breaks_an_internal_manager(release: str) -> None:
    found = cause(look(release, _without_daemonset))
    assert (found.code, f"the default of {release} is internal" in str(found.expected)) == ("KE107", True)


@pytest.mark.parametrize(
    ("release", "can"),
    [
        ("v1.19.2", "v1.19.2 has no iptablesManager.framework"),
        ("v1.22.0", "iptablesManager.framework (legacy or nft)"),
    ],
)
def test_the_backend_of_the_manager_can_be_chosen_from_1_21_on(release: str, can: str) -> None:
    def contradiction(site: ReleaseSite) -> None:
        own = (
            f"-A OUTPUT -p tcp -m tcp --dport {site.tunnel_port} -j DNAT --to-destination 10.99.0.77:10003\n"
        )
        if site.legacy:
            place = '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES\n'
            site.nft = site.nft.replace(place + "-A POSTROUTING", own + place + "-A POSTROUTING")
        else:
            site.legacy = f"*nat\n:OUTPUT ACCEPT [0:0]\n{own}COMMIT\n"
            site.cloud.files["/proc/net/ip_tables_names"] = b"nat\n"

    told = [one for one in look(release, contradiction).verdicts if one.code == "KE306"]
    assert can in str(told[0].hint)


# -------------------------------------------------------------------------------------- faults in each release's words


@pytest.mark.parametrize("release", LINES)
@pytest.mark.parametrize("name", ["edgecore-yaml-broken", "database-unusable"])
def test_why_edgecore_does_not_run_is_named_in_every_releases_words(release: str, name: str) -> None:
    """versions.md §5: Failed to unmarshal, should not running, Failed to connect to DB by Go's own log."""
    fault = named(name)
    assert [one.code for one in look(release, fault.inject).causes] == [fault.code]


@pytest.mark.parametrize("release", ["v1.18.1", "v1.19.0"])
def test_a_kubelet_beside_edgecore_is_named_in_both_wordings(release: str) -> None:
    assert [one.code for one in look(release, named("kubelet-beside").inject).causes] == ["KE705"]


def _proxy_on_the_edge(site: ReleaseSite) -> None:
    """kube-proxy's DaemonSet reaches the edge, and edgecore is started beside it."""
    named("kube-proxy-on-the-edge").inject(site)
    site.edge.processes.append(Process(902, 1, "kube-proxy", ("/usr/local/bin/kube-proxy",)))
    if number(site.release) < (1, 19):
        edgecore_ended(
            site,
            "server.go:117",
            "failed to check the running environment: kube-proxy should not running on edge node when running edgecore",
        )


@pytest.mark.parametrize(("release", "ends"), [("v1.18.1", True), ("v1.19.0", False), ("v1.23.1", False)])
def test_kube_proxy_on_the_edge_is_refused_up_to_1_18(release: str, *, ends: bool) -> None:
    found = cause(look(release, _proxy_on_the_edge))
    assert found.code == "KE710"
    assert (found.status is Status.FAIL) is ends
    assert ("refuses to start beside kube-proxy" in found.summary) is ends


# ------------------------------------------------------------------------------------------ certificates, names, tokens


def _certificate_of_another(site: ReleaseSite) -> None:
    """From v1.21 on edgecore compares the name and ends; before it uses the certificate as it is."""
    if number(site.release) >= (1, 21):
        named("edge-cert-of-another").inject(site)
    else:
        from faults_edge import CERTIFICATE, edge_certificate  # noqa: PLC0415  both read the recording

        site.edge.files[CERTIFICATE] = edge_certificate(site, node="edge9")


@pytest.mark.parametrize("release", ["v1.17.0", "v1.20.0", "v1.21.0", "v1.23.1"])
def test_a_certificate_of_another_node(release: str) -> None:
    found = cause(look(release, _certificate_of_another))
    compared = number(release) >= (1, 21)
    assert (found.code, found.status) == ("KE213", Status.FAIL if compared else Status.WARN)
    assert ("this release uses it as it is" in found.summary) is not compared


@pytest.mark.parametrize("release", ["v1.17.5", "v1.18.1", "v1.19.0", "v1.19.2", "v1.23.0"])
def test_a_token_that_has_expired(release: str) -> None:
    found = cause(look(release, named("token-expired").inject))
    assert found.code == "KE409"
    assert ("never saves the token" in found.summary) is (release in TRUE["KE409"])


@pytest.mark.parametrize("release", ["v1.17.0", "v1.20.0", "v1.22.0", "v1.23.0"])
def test_rights_that_the_path_needs_are_told_whatever_else_is_missing(release: str) -> None:
    found = cause(look(release, named("cloudcore-rights-missing").inject))
    assert (found.code, found.status) == ("KE113", Status.FAIL)
    assert "nodes/status" in found.summary


def test_a_custom_resource_that_only_1_23_asks_for() -> None:
    def without(site: ReleaseSite) -> None:
        path = "/apis/devices.kubeedge.io/v1beta1"
        site.paths[path] = replace(
            site.paths[path], body=b'{"resources":[{"name":"devices"},{"name":"devicemodels"}]}'
        )

    assert "devicestatuses" in said(look("v1.23.0", without), "KE111")
    assert "devicestatuses" not in said(look("v1.22.2", without), "KE111")


# ------------------------------------------------------------------------------------------------------- own address


def _two_addresses(site: ReleaseSite) -> None:
    """The host name leads to the second network; nothing in the log says what edgecore took."""
    site.edge.addresses = replace(
        site.edge.addresses, items=(*site.edge.addresses.items, InterfaceAddress("eth1", "10.98.0.2", 24))
    )
    site.edge.files["/etc/hosts"] = b"127.0.0.1 localhost\n10.98.0.2 edge1\n"
    site.journal = "".join(
        line for line in site.journal.splitlines(keepends=True) if "local IP address" not in line
    )


@pytest.mark.parametrize(
    ("release", "address"),
    [("v1.17.0", "10.98.0.2"), ("v1.20.0", "10.98.0.2"), ("v1.21.0", EDGE), ("v1.23.1", EDGE)],
)
def test_the_own_address_is_the_host_names_up_to_1_20(release: str, address: str) -> None:
    """versions.md §4: the host name's before v1.21, the default route's from then on; the Node has the latter's."""
    report = look(release, _two_addresses)
    assert f"takes {address} for its own address" in said(report, "KE510")
    codes = [one.code for one in report.causes]
    assert codes == ([] if address == EDGE else ["KE212"])


def _without_address(site: ReleaseSite) -> None:
    """No default route, a host name that leads nowhere, and edgeStream off."""
    site.edge.addresses = replace(site.edge.addresses, default_interface="", default_gateway="")
    site.edge.files["/etc/hosts"] = b"127.0.0.1 localhost\n"
    site.journal = "".join(
        line for line in site.journal.splitlines(keepends=True) if "local IP address" not in line
    )
    site.set("modules.edgeStream.enable", False)
    if site.release == "v1.17.0":
        edgecore_ended(
            site, "edgestream.go:52", "failed to get Local IP address: no default route", severity="E"
        )
    else:
        site.tunnel_down.add("edgeStream is off")


def test_without_an_address_1_17_0_ends_whatever_edgestream_is() -> None:
    told = said(look("v1.17.0", _without_address), "KE510")
    assert "edgecore ends at start, whether edgeStream is on or off" in told
    assert "edgecore never dials the tunnel" in said(look("v1.17.5", _without_address), "KE510")


# ---------------------------------------------------------------------------------------------- keys and cgroup drivers


@pytest.mark.parametrize(
    ("release", "key", "value"),
    [
        ("v1.18.1", "modules.edged.remoteRuntimeEndpoint", "unix:///run/containerd/containerd.sock"),
        ("v1.18.1", "modules.edged.reportEvent", False),
        ("v1.19.2", "modules.edged.tailoredKubeletConfig.podLogsDir", "/var/log/pods"),
        ("v1.20.0", "modules.taskManager.enable", False),
        ("v1.21.2", "modules.edged.tailoredKubeletConfig.failCgroupV1", True),
        ("v1.22.2", "modules.edged.tailoredKubeletConfig.singleProcessOOMKill", True),
        ("v1.23.1", "modules.edged.bandwidthManager", {"enable": True}),
    ],
)
def test_a_key_of_another_release_is_not_read(release: str, key: str, value: Any) -> None:
    found = cause(look(release, lambda site: site.set(key, value)))
    assert found.code == "KE207"
    assert key.rpartition(".")[2] in f"{found.summary} {found.actual}" or "taskManager" in found.summary


@pytest.mark.parametrize(
    ("release", "decides"), [("v1.20.0", "file"), ("v1.21.2", "file"), ("v1.22.0", "runtime")]
)
def test_the_runtimes_cgroup_driver_counts_from_1_22_on(release: str, decides: str) -> None:
    """With containerd 2.0, which answers RuntimeConfig; edgecore 1.22 and later say so (versions.md §5)."""

    def differs(site: ReleaseSite) -> None:
        named("cgroup-driver-differs").inject(site)
        if number(site.release) >= (1, 22):
            site.edge_says(
                "I",
                "server.go:938",
                "Using cgroup driver setting received from the CRI runtime cgroupDriver=systemd",
            )

    report = look(release, differs)
    assert [one.code for one in report.causes] == (["KE209"] if decides == "file" else [])
