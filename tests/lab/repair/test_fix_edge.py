"""``kedoctor run --fix`` and ``kedoctor rollback`` on an edge host with a real systemd and edgecore's stand-in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from edge_site import BOOTSTRAP, CERTIFICATE, CONFIG, KEY, YAML, EdgeSite, edge_site
from systemd_machine import needs_machine

pytestmark = [pytest.mark.lab, needs_machine]

OFF = YAML.replace("enable: true   # logs", "enable: false   # logs").replace(
    "server: 10.99.0.1:10004", "server: 127.0.0.1:10004"
)
ON = OFF.replace("enable: false   # logs", "enable: true   # logs").replace(
    "127.0.0.1:10004", "10.99.0.1:10004"
)
Ran = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def site() -> Iterator[EdgeSite]:
    with edge_site() as site:
        yield site


def fix(site: EdgeSite, *more: str, patience: float = 0.06) -> Ran:
    """A stand-in settles sooner than edgecore; one test waits as long as for the real one."""
    command = [sys.executable, "-P", "-m", "kedoctor", "run", "--fix", "--lang", "en", *more]
    ran = site.machine.run("env", f"KEDOCTOR_PATIENCE={patience}", *command, check=False, timeout=120)
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran


def rollback(site: EdgeSite, *more: str) -> Ran:
    return site.machine.kedoctor("rollback", *more)


def report(site: EdgeSite, *more: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.machine.kedoctor("run", "--format", "json", *more).stdout)
    return found


def states(site: EdgeSite, *codes: str) -> dict[str, str]:
    """The worst status of each code."""
    order = ["pass", "skip", "warn", "unknown", "blocked", "fail", "crashed"]
    found: dict[str, str] = {}
    for verdict in report(site)["verdicts"]:
        code, status = verdict["code"], verdict["status"]
        if code in codes and order.index(status) >= order.index(found.get(code, "pass")):
            found[code] = status
    return found


def planned(ran: Ran) -> list[str]:
    """What was shown, from the heading to the risk."""
    lines = ran.stderr.splitlines()
    begin = lines.index("Plan:")
    end = next(place for place, line in enumerate(lines) if line.startswith("  risk:"))
    return lines[begin:end]


def tokens_shown(site: EdgeSite, *outputs: str) -> bool:
    """Whether the token stands in what was printed, or in what is kept of runs."""
    secret = site.token.rpartition(".")[2]
    kept = site.machine.shell("cat /var/lib/kedoctor/runs/* 2>/dev/null || true")
    return any(secret in text for text in (*outputs, kept))


def test_the_tunnel_comes_up_with_one_restart_and_goes_back_to_the_byte(site: EdgeSite) -> None:
    site.reset(OFF)
    before, unit = site.files(), site.unit()
    assert states(site, "KE202", "KE203", "KE503") == {"KE202": "fail", "KE203": "fail", "KE503": "fail"}

    dry = fix(site, "--dry-run")
    assert (site.files(), site.unit(), site.starts()) == (before, unit, 1)
    assert not site.machine.path("/var/lib/kedoctor/journal").exists()

    done = fix(site, "--yes", patience=1)
    assert planned(done) == planned(dry)
    assert site.text().decode() == ON
    assert site.starts() == 2
    assert site.tunnels() == 1
    assert set(states(site, "KE202", "KE203", "KE503", "KE502", "KE701").values()) == {"pass"}

    again = fix(site, "--yes")
    assert "there is nothing that kedoctor could repair" in again.stderr
    assert site.starts() == 2

    back = rollback(site)
    assert back.returncode == 0, back.stderr
    assert site.files() == before
    assert site.unit()["ActiveState"] == "active"
    assert (site.starts(), site.tunnels()) == (3, 0)
    assert "was already rolled back" in rollback(site, re.findall(r"\d{8}T\S+", back.stdout)[0]).stderr


def test_marks_line_ends_and_links_stay(site: EdgeSite) -> None:
    odd = b"\xef\xbb\xbf" + OFF.replace("\n", "\r\n").encode()
    site.reset(odd, start=False)
    site.machine.shell(
        f"cd /etc/kubeedge; mv config/edgecore.yaml edge-7.yaml; ln -s ../edge-7.yaml {CONFIG}"
    )
    site.start()
    before = site.files()
    fix(site, "--yes")
    assert site.machine.run("readlink", CONFIG).stdout == "../edge-7.yaml\n"
    assert site.text() == b"\xef\xbb\xbf" + ON.replace("\n", "\r\n").encode()
    assert site.tunnels() == 1
    assert rollback(site).returncode == 0
    assert site.files() == before


def test_a_key_that_others_can_read_is_closed_without_a_restart(site: EdgeSite) -> None:
    site.reset()
    site.machine.path(KEY).chmod(0o644)
    before = site.files()
    fix(site, "--yes", "--allow", "safe")
    assert site.machine.path(KEY).stat().st_mode & 0o777 == 0o600
    assert site.starts() == 1
    rollback(site)
    assert site.files() == before


def test_an_expired_certificate_is_replaced_with_the_token_in_place(site: EdgeSite) -> None:
    text = YAML.replace('token: ""', f"token: {site.token}   # from keadm gettoken")
    site.reset(text, start=False)
    site.put(site.issue(issued=site.born - timedelta(days=400)))
    site.start()
    old = site.machine.path(CERTIFICATE).read_bytes()
    shown = fix(site, "--yes", "--format", "json")
    assert not tokens_shown(site, shown.stdout, shown.stderr)
    assert site.machine.path(CERTIFICATE).read_bytes() != old
    assert site.text().decode() == YAML.replace('token: ""', "token: ''   # from keadm gettoken")
    assert not site.machine.path(BOOTSTRAP).exists()
    assert (site.starts(), site.tunnels()) == (2, 1)
    assert set(states(site, "KE401", "KE402", "KE403", "KE404", "KE405").values()) == {"pass"}
    journal = site.machine.shell("find /var/lib/kedoctor/journal -type f -printf '%m\\n' | sort -u")
    assert journal == "600\n"

    # edgecore wrote a pair of its own since: it is left alone, and nothing of the repair is undone.
    now = site.files()
    back = rollback(site)
    assert back.returncode == 4
    assert CERTIFICATE in back.stderr
    assert not tokens_shown(site, back.stdout, back.stderr)
    assert site.files() == now


def test_without_a_good_token_nothing_is_done_about_an_expired_certificate(site: EdgeSite) -> None:
    stale = site.join_token(timedelta(hours=-3))
    for token, said in (("", "keadm gettoken"), (stale, "it expired on"), ("abc", "it is not a join token")):
        site.reset(YAML.replace('token: ""', f'token: "{token}"'), start=False)
        site.put(site.issue(issued=site.born - timedelta(days=400)))
        site.start()
        before = site.files()
        refused = fix(site, "--yes")
        line = next(one for one in refused.stderr.splitlines() if "KE402" in one)
        assert said in line
        assert "keadm gettoken" in line
        assert (site.files(), site.starts()) == (before, 1)
        assert stale not in refused.stderr + refused.stdout


def test_a_refused_token_brings_the_old_pair_back(site: EdgeSite) -> None:
    forged = site.token.rpartition(".")[0] + ".Zm9yZ2Vk"
    site.reset(YAML.replace('token: ""', f"token: {forged}"), start=False)
    site.put(site.issue(issued=site.born - timedelta(days=400)))
    site.start()
    before = site.files()
    refused = fix(site, "--yes")
    assert refused.returncode == 4
    assert "everything is as it was" in refused.stderr
    assert "does not stay up" in refused.stderr
    assert site.files() == before
    assert site.unit()["ActiveState"] == "active"


KUBELET = """\
[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
[Install]
WantedBy=multi-user.target
"""


def test_a_kubelet_is_stopped_and_disabled_and_comes_back(site: EdgeSite) -> None:
    site.reset(start=False)
    machine = site.machine
    machine.write("/usr/local/bin/kubelet", "#!/bin/sh\nwhile :; do sleep 1; done\n", mode=0o755)
    machine.unit("kubelet.service", KUBELET)
    machine.run("systemctl", "enable", "--now", "kubelet")
    try:
        site.start()
        assert site.unit()["ActiveState"] == "activating"
        fix(site, "--yes")
        assert machine.run("systemctl", "is-active", "kubelet", check=False).stdout == "inactive\n"
        assert machine.run("systemctl", "is-enabled", "kubelet", check=False).stdout == "disabled\n"
        assert (site.unit()["ActiveState"], site.tunnels()) == ("active", 1)
        back = rollback(site)
        assert back.returncode == 0, back.stderr
        assert machine.run("systemctl", "is-active", "kubelet").stdout == "active\n"
        assert machine.run("systemctl", "is-enabled", "kubelet").stdout == "enabled\n"
        site.until(lambda: site.unit()["ActiveState"] == "activating")
    finally:
        machine.shell("systemctl disable --now kubelet; rm /etc/systemd/system/kubelet.service")
        machine.run("systemctl", "daemon-reload")


def test_a_stopped_and_disabled_edgecore_is_started_and_enabled(site: EdgeSite) -> None:
    site.reset()
    site.machine.run("systemctl", "disable", "--now", "edgecore")
    fix(site, "--yes")
    assert site.starts() == 2
    assert (site.unit()["ActiveState"], site.unit()["UnitFileState"]) == ("active", "enabled")
    assert rollback(site).returncode == 0
    assert (site.unit()["ActiveState"], site.unit()["UnitFileState"]) == ("inactive", "disabled")


def test_stopped_and_switched_off_is_one_start(site: EdgeSite) -> None:
    site.reset(OFF)
    site.machine.run("systemctl", "stop", "edgecore")
    before = site.files()
    fix(site, "--yes")
    assert (site.starts(), site.tunnels()) == (2, 1)
    assert rollback(site).returncode == 0
    assert site.files() == before
    assert site.unit()["ActiveState"] == "inactive"


def test_what_crashes_after_the_edit_is_undone_and_not_tried_for_ever(site: EdgeSite) -> None:
    site.reset(OFF, start=False)
    site.machine.write("/etc/standin/dies-streaming", "")
    site.start()
    before = site.files()
    for _ in range(2):
        failed = fix(site, "--yes")
        assert failed.returncode == 4
        assert "edgecore.service does not stay up" in failed.stderr
        assert "everything is as it was" in failed.stderr
        assert site.files() == before
        assert site.unit()["ActiveState"] == "active"
    starts = site.starts()
    held = fix(site, "--yes")
    assert "KE202" in held.stderr
    assert "2 times in the last 10 minutes" in held.stderr
    assert site.starts() == starts
    site.machine.run("rm", "/etc/standin/dies-streaming")
    fix(site, "--yes", "--again")
    assert site.tunnels() == 1


def test_somebody_elses_edit_is_left_alone_and_both_versions_are_kept(site: EdgeSite) -> None:
    site.reset(OFF)
    fix(site, "--yes")
    theirs = site.text() + b"# tuned by Li\n"
    site.machine.write(CONFIG, theirs, mode=0o640)
    starts = site.starts()
    back = rollback(site)
    assert back.returncode == 4
    assert f"file:{CONFIG} was changed after kedoctor had repaired it" in back.stderr
    assert site.text() == theirs
    assert site.starts() == starts
    kept = re.findall(r"kept in (\S+)", back.stderr)
    assert site.machine.path(kept[0]).read_bytes() == OFF.encode()


def test_only_one_at_a_time(site: EdgeSite) -> None:
    site.reset(OFF)
    ran: list[Ran] = []
    runs = [threading.Thread(target=lambda: ran.append(fix(site, "--yes"))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    refused = [one for one in ran if one.returncode == 4]
    assert len(refused) == 1, [one.stderr for one in ran]
    assert re.search(
        r"another kedoctor is changing this host: process \d+, kedoctor run --fix", refused[0].stderr
    )
    assert (site.starts(), site.tunnels()) == (2, 1)


def test_nobody_to_ask_means_nothing_is_changed(site: EdgeSite) -> None:
    site.reset(OFF)
    before = site.files()
    asked = fix(site)
    assert asked.returncode == 4
    assert "Nothing was changed: there is no terminal to ask at, and --yes was not given." in asked.stderr
    assert (site.files(), site.starts()) == (before, 1)


def test_an_interrupt_takes_everything_back(site: EdgeSite) -> None:
    site.reset(OFF)
    before = site.files()
    interrupted = site.machine.shell(
        f"{sys.executable} -P -m kedoctor run --fix --yes >/tmp/out 2>&1 & pid=$!\n"
        f"while ! grep -q 'enable: true   # logs' {CONFIG}; do sleep 0.1; done\n"
        "kill -INT $pid; code=0; wait $pid || code=$?; echo $code; cat /tmp/out"
    )
    assert interrupted.startswith("130\n"), interrupted
    assert "what it had done was rolled back" in interrupted
    assert "Traceback" not in interrupted
    assert site.files() == before
    assert site.unit()["ActiveState"] == "active"


def test_a_killed_repair_is_taken_back_by_the_next(site: EdgeSite) -> None:
    site.reset(OFF)
    killed = site.machine.shell(
        f"{sys.executable} -P -m kedoctor run --fix --yes >/tmp/out 2>&1 & pid=$!\n"
        f"while ! grep -q 'enable: true   # logs' {CONFIG}; do sleep 0.1; done\n"
        "kill -KILL $pid; code=0; wait $pid || code=$?; echo $code"
    )
    assert killed == "137\n"
    assert site.text().decode() == ON
    next_run = fix(site, "--yes")
    assert "was rolled back first" in next_run.stderr
    assert (site.text().decode(), site.tunnels()) == (ON, 1)


def test_empty_sections_and_quoted_switches_are_put_right(site: EdgeSite) -> None:
    broken = (
        YAML.replace("enable: true   # logs", 'enable: "true"   # logs') + "  eventBus:\n  metaManager:\n"
    )
    site.reset(broken)
    assert site.unit()["ActiveState"] == "activating"
    before = site.files()
    fix(site, "--yes")
    assert site.text().decode() == YAML
    assert (site.unit()["ActiveState"], site.tunnels()) == ("active", 1)
    back = rollback(site)
    assert back.returncode == 0, back.stderr
    assert site.files() == before
    site.until(lambda: site.unit()["ActiveState"] == "activating")


def test_a_broken_file_is_restored_from_the_copy_beside_it(site: EdgeSite) -> None:
    site.reset(YAML.replace("  edgeStream:", "  edgeStream:\n\t# tab"), start=False)
    site.machine.write(f"{CONFIG}.bak", YAML.replace("edge1", "edge2"), mode=0o600)
    site.start()
    refused = fix(site, "--yes")
    assert "no usable copy of this node lies beside it" in refused.stderr
    site.machine.write(f"{CONFIG}.keadm-original", YAML, mode=0o600)
    fix(site, "--yes")
    assert site.text().decode() == YAML
    assert site.machine.path(CONFIG).stat().st_mode & 0o777 == 0o640
    assert (site.unit()["ActiveState"], site.tunnels()) == ("active", 1)


def test_keys_that_edgecore_ignores_are_moved(site: EdgeSite) -> None:
    misplaced = YAML.replace(
        "    hostnameOverride: edge1\n",
        "    hostnameOverride: edge1\n    networkPluginName: cni\n    # EdgeMesh\n"
        "    clusterDNS:\n    - 169.254.96.16   # its own\n    clusterDomain: cluster.local\n",
    )
    site.reset(misplaced)
    fix(site, "--yes")
    text = site.text().decode()
    assert "networkPluginName" not in text
    assert "      clusterDNS:\n" in text
    assert "# its own" in text
    assert states(site, "KE207") == {"KE207": "pass"}
    assert site.starts() == 2


def test_edged_is_taken_off_the_network(site: EdgeSite) -> None:
    site.reset(YAML.replace("address: 127.0.0.1", "address: 0.0.0.0"))
    before = site.files()
    fix(site, "--yes")
    assert site.text().decode() == YAML
    assert "127.0.0.1:10350" in site.machine.shell("ss -Htln")
    rollback(site)
    assert site.files() == before
