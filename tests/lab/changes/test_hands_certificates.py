"""Certificates issued into a Secret, and pods restarted, over real HTTPS."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from apiserver.fixtures import TOKEN
from object_hands import NS, SECRET, SWITCH_ON, TEXT, WEAK, Site, b64, pod, real_patch, silent, site_at

from kedoctor.base import failpoints
from kedoctor.base.errors import ChangeError
from kedoctor.changes.executor import prepare, recover
from kedoctor.model.actions.objects import DeleteObject, IssueCertificates, RestartPods
from kedoctor.model.actors import ConflictError, RefusedError
from kedoctor.pki.certificates import key_matches, read_certificates, read_private_key

pytestmark = pytest.mark.lab


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path) as made:
        yield made


class TestPods:
    """Pods are deleted, and their successors waited for."""

    RESTART = RestartPods("kubeedge", "kubeedge=cloudcore")

    def test_successors_are_waited_for(self, site: Site) -> None:
        site.server.store.load([pod("cloudcore-1"), pod("cloudcore-2")])
        site.server.store.on_change.append(self.replace_by(site, ready=True))
        site.fix(self.RESTART)
        assert sorted(site.sent("DELETE")) == [f"{NS}/pods/cloudcore-1", f"{NS}/pods/cloudcore-2"]

    def test_a_pod_that_was_not_ready_needs_no_successor(self, site: Site) -> None:
        """In the middle of a rollout there is one more, and the rollout takes it away."""
        site.server.store.load([pod("metrics-server-1"), pod("metrics-server-2", ready=False)])

        def controller(event: Any) -> None:
            if event.kind == "DELETED" and event.entry.obj["metadata"]["name"] == "metrics-server-2":
                site.server.store.load([pod("metrics-server-3")])

        site.server.store.on_change.append(controller)
        site.fix(self.RESTART, hands=site.actors(TOKEN, patience=0.3))

    def test_successors_that_never_get_ready_are_a_refusal(self, site: Site) -> None:
        site.server.store.load([pod("cloudcore-1")])
        site.server.store.on_change.append(self.replace_by(site, ready=False))
        with pytest.raises(RefusedError, match=r"did not become ready within 0\.3 s"):
            site.fix(SWITCH_ON, self.RESTART, hands=site.actors(TOKEN, patience=0.3))
        assert site.document() == TEXT

    def test_a_pod_that_has_gone_by_itself_is_no_refusal(self, site: Site) -> None:
        site.server.store.load([pod("cloudcore-1"), pod("cloudcore-2")])
        site.server.faults.add("DELETE .*cloudcore-1", before=lambda: self.gone(site), times=1)
        site.server.store.on_change.append(self.replace_by(site, ready=True))
        site.fix(self.RESTART)

    def gone(self, site: Site) -> None:
        store = site.server.store
        resource = store.resources.find("", "v1", "pods")
        assert resource is not None
        entry = store.get(resource, "kubeedge", "cloudcore-1")
        assert entry is not None
        store.delete(resource, entry.obj)

    def replace_by(self, site: Site, *, ready: bool) -> Callable[[Any], None]:
        def controller(event: Any) -> None:
            if event.kind == "DELETED" and event.table[1] == "pods":
                site.server.store.load([pod(event.entry.obj["metadata"]["name"] + "-next", ready=ready)])

        return controller


class TestCertificates:
    """A new CA and server certificate in a Secret."""

    ISSUE = IssueCertificates(
        SECRET,
        "streamCA.crt",
        "stream.crt",
        "stream.key",
        "cloudcore",
        ("cloudcore.kubeedge", "cloudcore.kubeedge.svc"),
        ("10.99.0.1",),
        365,
    )

    def values(self, site: Site) -> dict[str, bytes]:
        return {key: base64.b64decode(value) for key, value in site.content(SECRET)["data"].items()}

    def test_they_fit_together_and_the_rest_stays(self, site: Site) -> None:
        before = site.content(SECRET)
        entry = site.fix(self.ISSUE)
        values = self.values(site)
        (ca,), (server,) = read_certificates(values["streamCA.crt"]), read_certificates(values["stream.crt"])
        assert server.is_signed_by(ca)
        assert key_matches(server, read_private_key(values["stream.key"]))
        assert all(server.covers(host) for host in (*self.ISSUE.dns_names, *self.ISSUE.ip_addresses))
        assert server.valid_at(datetime.now(UTC)) == "valid"
        assert 363 < (server.not_after - datetime.now(UTC)).days < 366
        assert (ca.is_ca, server.common_name, ca.common_name) == (True, "cloudcore", "cloudcore-ca")
        assert values["other"] == b"old other"
        assert site.content(SECRET)["metadata"] == before["metadata"]
        site.back(entry)
        assert site.content(SECRET) == before

    def test_the_private_key_is_written_nowhere_else(self, site: Site) -> None:
        entry = site.fix(self.ISSUE)
        key = self.values(site)["stream.key"]
        middle = key.split(b"\n")[3]
        written = b"".join(path.read_bytes() for path in site.directory.rglob("*") if path.is_file())
        for form in (middle, base64.b64encode(key), base64.b64encode(base64.b64encode(key))[:60]):
            assert form not in written
        assert all("PRIVATE" not in diff for diff in entry.manifest.diffs)

    def test_the_diff_tells_dates_and_names(self, site: Site) -> None:
        site.fix(self.ISSUE)
        (previewed,) = prepare(site.hands, [self.ISSUE]).foresight
        _, old, new = previewed.diff.splitlines()
        names = "cloudcore.kubeedge, cloudcore.kubeedge.svc, 10.99.0.1"
        assert old.startswith(f"- cloudcore, for {names}, valid {datetime.now(UTC):%Y-%m-%d} to 20")
        assert new == f"+ cloudcore, for {names}, valid for 365 days from now, by a new CA cloudcore-ca"

    def test_a_failure_at_every_step_leaves_the_old_ones(self, site: Site) -> None:
        before = site.content(SECRET)
        try:
            for number in range(1, 99):
                os.environ["KEDOCTOR_FAILPOINT"], failpoints._reached = f"{number}:EIO", 0
                try:
                    site.fix(self.ISSUE)
                    break
                except ChangeError:
                    os.environ.pop("KEDOCTOR_FAILPOINT")
                    recover(site.journal, site.hands, tell=silent)
                    assert site.content(SECRET) == before, f"at step {number}"
        finally:
            os.environ.pop("KEDOCTOR_FAILPOINT", None)
        assert number > 8

    def test_somebody_elses_certificates_stay(self, site: Site) -> None:
        entry = site.fix(self.ISSUE)
        site.somebody(SECRET, {"data": {"stream.crt": b64("theirs")}})()
        with pytest.raises(ConflictError):
            site.back(entry)
        assert self.values(site)["stream.crt"] == b"theirs"

    def test_another_key_may_change_meanwhile(self, site: Site) -> None:
        site.server.faults.add(
            real_patch, before=site.somebody(SECRET, {"data": {"other": b64("new")}}), times=1
        )
        entry = site.fix(self.ISSUE)
        site.back(entry)
        assert self.values(site) == {
            "streamCA.crt": b"old streamCA.crt",
            "stream.crt": b"old stream.crt",
            "stream.key": b"old stream.key",
            "other": b"new",
        }

    def test_no_secret_and_no_right_are_refused(self, site: Site) -> None:
        with pytest.raises(RefusedError, match="cannot patch"):
            prepare(site.actors(WEAK), [self.ISSUE])
        site.fix(DeleteObject(SECRET))
        with pytest.raises(RefusedError, match="does not exist"):
            prepare(site.hands, [self.ISSUE])
