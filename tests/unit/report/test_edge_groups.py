"""Edges that look alike are one group, and each hop is as its worst verdict."""

from __future__ import annotations

from report_samples import many_edges, recorded, report, verdict

from kedoctor.api import Status
from kedoctor.model.edge_groups import edge_groups
from kedoctor.model.report import Capability, Cell, HopTitle

HOPS = (HopTitle("one", "first", "一"), HopTitle("two", "second", "二"))


def test_a_recorded_site_has_one_broken_hop_and_what_follows() -> None:
    (group,) = edge_groups(recorded("b-edgestream-disabled"))
    states = {one.hop: one.state for one in group.hops}
    assert group.edges == ("edge1",)
    assert group.broken == 4
    assert states["tunnel"] == "broken"
    assert states["session"] == "follow-on"
    assert states["link"] == "passed"


def test_equal_edges_are_one_group_and_the_broken_ones_come_first() -> None:
    broken, fine = edge_groups(many_edges(300))
    assert (len(broken.edges), len(fine.edges)) == (100, 200)
    assert broken.edges[:2] == ("edge0000", "edge0003")
    assert [one.state for one in broken.hops] == ["broken"]
    assert [one.state for one in fine.hops] == ["unchecked"]


def test_a_verdict_about_no_edge_is_about_each() -> None:
    rows = tuple(Cell(name, (Capability("logs", "clear"),)) for name in ("a", "b"))
    document = report(
        verdict(Status.PASS, node="", hop="one"),
        verdict(Status.WARN, node="b", hop="one"),
        verdict(Status.SKIP, node="b", hop="two"),
        hops=HOPS,
        matrix=rows,
    )
    assert [(one.edges, [hop.state for hop in one.hops]) for one in edge_groups(document)] == [
        (("a",), ["passed", "unchecked"]),
        (("b",), ["warning", "unchecked"]),
    ]


def test_without_edges_the_path_is_still_there() -> None:
    (group,) = edge_groups(report(verdict(Status.UNKNOWN, node="", hop="one"), hops=HOPS, matrix=()))
    assert group.edges == ()
    assert [one.state for one in group.hops] == ["unknown", "unchecked"]
    assert edge_groups(report(hops=HOPS, matrix=())) == ()


def test_the_document_says_which_way_a_capability_goes_and_where_each_hop_lies() -> None:
    document = recorded("healthy")
    paths = {one.capability: one.hops for one in document.paths}
    assert paths["top"][:4] == ("api", "apiservice", "metrics-server", "address")
    assert paths["logs"] == tuple(hop for hop in paths["top"] if hop in paths["logs"])
    sides = {one.name: one.side for one in document.hops}
    assert (sides["diversion"], sides["tunnel"], sides["edged"]) == ("cloud", "site", "edge")


def test_the_document_holds_when_certificates_and_tokens_end() -> None:
    ends = {
        expiry.item: (expiry.kind, expiry.ends.year)
        for one in recorded("healthy").verdicts
        for expiry in one.expiries
    }
    assert ends["/etc/kubeedge/certs/server.crt"] == ("certificate", 2027)
    assert ends["secret/kubeedge/cloudcore stream.crt"] == ("certificate", 2027)
    assert ends["secret/kubeedge/casecret"] == ("certificate", 2126)
    assert ends["secret/kubeedge/tokensecret"] == ("token", 2026)


def test_the_document_counts_what_was_read() -> None:
    document = recorded("healthy")
    files = next(one for one in document.reads if (one.host, one.kind) == ("edge1", "files"))
    assert files.count > files.unavailable
    assert sum(one.unavailable for one in document.reads) == len(document.unavailable)
