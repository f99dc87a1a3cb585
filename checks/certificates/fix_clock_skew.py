"""KE410: clocks are a person's: a jump moves leases, certificates and everything that runs by time."""

from __future__ import annotations

from kedoctor.api import NoPlan, Verdict, remedy
from kedoctor.checks.plans.edgecore import no_plan

__all__ = ["clock_skew"]


@remedy("KE410")
def clock_skew(verdict: Verdict) -> NoPlan:
    """Nothing: says how to set the clock that is wrong."""
    where = verdict.node or verdict.subject
    return no_plan(
        f"kedoctor sets no clocks; compare `date -u` on both sides and on {where} run `sudo timedatectl set-ntp true`, or without a time server `sudo timedatectl set-ntp false && sudo date -u -s 'YYYY-MM-DD hh:mm:ss'`",
        f"kedoctor 不修改时钟；请比较两端的 `date -u`，并在 {where} 上执行 `sudo timedatectl set-ntp true`；没有时间服务器时执行 `sudo timedatectl set-ntp false && sudo date -u -s 'YYYY-MM-DD hh:mm:ss'`",
    )
