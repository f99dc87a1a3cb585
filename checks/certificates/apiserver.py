"""The certificates of kube-apiserver itself: a year, and nobody renews kubeadm's between upgrades."""

from __future__ import annotations

from datetime import timedelta

from kedoctor.api import (
    Evidence,
    Expiry,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    expiring,
    failed,
    passed,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.apiserver_certificates import ApiserverCertificate, ApiserverCertificates
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.edge.clock import HostTime, SiteClock
from kedoctor.checks.parsers.durations import SOON, day

__all__ = ["apiserver_certs"]

_KUBEADM = (
    "sudo kubeadm certs check-expiration",
    "sudo kubeadm certs renew all   # then restart the control plane's static pods",
)
_K3S = (
    "sudo k3s certificate check",
    "sudo systemctl restart k3s   # K3s renews what expires within 120 days when it starts",
)
_RKE2 = (
    "sudo rke2 certificate check",
    "sudo systemctl restart rke2-server   # RKE2 renews what expires within 90 days when it starts",
)
_MICROK8S = ("sudo microk8s refresh-certs --check", "sudo microk8s refresh-certs --help")


@check(
    code="KE412",
    slug="apiserver-certs",
    title=Text("kube-apiserver's own certificates are valid", zh="kube-apiserver 自身的证书有效"),
    side=Side.CLOUD,
    breaks=ALL_STREAMS,
    hop="api",
    remedy=Text(
        "Renew them with the distribution's own tool (`kubeadm certs renew`, or a restart of K3s).",
        zh="用发行版自带的方式更新（`kubeadm certs renew`，或重启 K3s）。",
    ),
    references=("kubeprepare.md §3.4", "facts.md §8.5"),
)
def apiserver_certs(
    found: ApiserverCertificates,
    arguments: ApiserverArguments,
    time: HostTime,
    clock: SiteClock | Unavailable,
) -> Finding:
    """The certificate that ends first; expired is judged by a clock that agrees with the API server's only."""
    if not found.items:
        return _nothing_read(found)
    expiries = (
        Expiry(item=one.path, begins=one.certificate.not_before, ends=one.certificate.not_after)
        for one in found.items
    )
    first = min(found.items, key=lambda one: one.certificate.not_after)
    sure = isinstance(clock, Unavailable) or not clock.checked or clock.believed
    return expiring(_judged(first, found, arguments, time, sure=sure), *expiries)


def _judged(
    first: ApiserverCertificate,
    found: ApiserverCertificates,
    arguments: ApiserverArguments,
    time: HostTime,
    *,
    sure: bool,
) -> Finding:
    left = first.certificate.not_after - time.now
    evidence = (Evidence(first.path, f"notAfter {day(first.certificate.not_after)}"),)
    commands = _commands(arguments)
    if left > SOON:
        return passed(
            Text(
                f"{len(found.items)} certificates of kube-apiserver are valid; the first to end is {first.path}, on {day(first.certificate.not_after)}.",
                zh=f"kube-apiserver 的 {len(found.items)} 个证书有效；最先到期的是 {first.path}（{day(first.certificate.not_after)}）。",
            ),
            evidence=evidence,
        )
    if left > timedelta(0):
        return warned(
            Text(
                f"{first.path} of kube-apiserver ends in {left.days} days, on {day(first.certificate.not_after)}.",
                zh=f"kube-apiserver 的 {first.path} 将在 {left.days} 天后（{day(first.certificate.not_after)}）到期。",
            ),
            expected=Text("more than 30 days left", zh="剩余 30 天以上"),
            actual=Text(f"{left.days} days left", zh=f"剩余 {left.days} 天"),
            hint=Text("Renew it in time.", zh="请及时更新。"),
            evidence=evidence,
            commands=commands,
            breaks=(),
            hop="",
        )
    return _expired(first, evidence, commands, sure=sure)


def _commands(arguments: ApiserverArguments) -> tuple[str, ...]:
    if arguments.is_k3s:
        return _K3S
    if arguments.is_rke2:
        return _RKE2
    return _MICROK8S if arguments.is_microk8s else _KUBEADM


def _nothing_read(found: ApiserverCertificates) -> Finding:
    why = (
        Text(str(found.unread[0]), zh=found.unread[0].in_chinese)
        if found.unread
        else Text("none of the usual files is there", zh="常用位置均没有文件")
    )
    return unknown(
        Text(
            f"No certificate of kube-apiserver was read: {why.en}.",
            zh=f"未能读取 kube-apiserver 的证书：{why.zh}。",
        ),
        hint=Text("Run kedoctor as root on this host.", zh="请在本机以 root 运行 kedoctor。"),
    )


def _expired(
    one: ApiserverCertificate, evidence: tuple[Evidence, ...], commands: tuple[str, ...], *, sure: bool
) -> Finding:
    end = day(one.certificate.not_after)
    if not sure:
        return unknown(
            Text(
                f"{one.path} ended on {end} by this host's clock, which is not the API server's (KE410).",
                zh=f"按本机时钟 {one.path} 已于 {end} 到期，但本机时钟与 API 服务器不一致（见 KE410）。",
            ),
            evidence=evidence,
        )
    does = (
        Text("every client that verifies it is refused", zh="校验它的客户端都会失败")
        if one.serving
        else Text(
            "kube-apiserver or a component beside it is refused where it is shown", zh="出示它的组件会被拒绝"
        )
    )
    return failed(
        Text(
            f"{one.path} of kube-apiserver expired on {end}: {does.en}.",
            zh=f"kube-apiserver 的 {one.path} 已于 {end} 过期：{does.zh}。",
        ),
        expected=Text("a certificate that is valid", zh="有效的证书"),
        actual=f"notAfter {end}",
        hint=Text("Renew it and restart the control plane.", zh="更新证书并重启控制面。"),
        evidence=evidence,
        commands=commands,
    )
