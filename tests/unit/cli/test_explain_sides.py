"""What ``explain`` offers to type has a place, whatever side the checks look at."""

from __future__ import annotations

import pytest
from commandline import kedoctor

from kedoctor.cli.explain import _SIDES
from kedoctor.model.declarations import Side


def test_every_side_has_its_place() -> None:
    assert set(_SIDES) == {side.value for side in Side}


@pytest.mark.parametrize(
    "text",
    [
        "Process: 1174 ExecStart=/usr/local/bin/edgecore (code=exited, status=203/EXEC)",
        "execute keadm command failed: failed to exec 'bash -c sudo ln /etc/kubeedge/edgecore.service'",
    ],
)
def test_a_program_that_keadm_or_systemd_cannot_run_is_no_broken_exec(text: str) -> None:
    told = kedoctor("explain", text)
    assert told.returncode == 0, told.stderr
    assert "KE715" in told.stdout
    assert "DNAT" not in told.stdout
