"""The Secret of the stream server: its three keys by name (facts.md §1.3)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Reason,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets

__all__ = ["stream_secret_keys"]

_SUBJECT = "secret/kubeedge/cloudcore"
_SECRET = "cloudcore"  # noqa: S105  the name of a Secret, not its content
_KEYS = ("streamCA.crt", "stream.crt", "stream.key")
_NO_PAIR = patterns.compiled(
    r"Start stream server error.{0,40}tls: (?:private key|failed to (?:find any PEM data|parse private key))"
)
_NO_LOG = Unavailable(Reason.NOT_RECORDED, "the log of cloudcore")


@check(
    code="KE108",
    slug="stream-secret-keys",
    title=Text("The stream server's Secret has its three keys", zh="流服务的 Secret 含有三个键"),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="stream",
    remedy=Text(
        "Make a new CA and pair and put them into the Secret under exactly these names (as KE406 does).",
        zh="生成新的 CA 与密钥对，并以这三个名称写入该 Secret（与 KE406 的处理相同）。",
    ),
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §1.3", "facts.md §10 (38)"),
)
def stream_secret_keys(
    secrets: KubeedgeSecrets,
    config: CloudcoreConfig | Unavailable,
    workload: CloudcoreWorkload | Unavailable,
    log: CloudcoreLog | Unavailable = _NO_LOG,
) -> Finding:
    """The keys of Secret ``kubeedge/cloudcore`` that the Deployment mounts; the private key itself is not looked at.

    That it does not belong to its certificate is what a cloudcore says that ended of it.
    """
    if isinstance(config, CloudcoreConfig) and not config.stream_enabled:
        return skipped(
            Text(
                "cloudStream is off, so the Secret is not used.", zh="cloudStream 未启用，不使用该 Secret。"
            ),
            subject=_SUBJECT,
        )
    if not isinstance(workload, Unavailable) and workload.deployment is not None and not _mounts(workload):
        return skipped(
            Text(
                "The cloudcore Deployment does not mount this Secret; its stream files come from elsewhere.",
                zh="cloudcore 的 Deployment 未挂载该 Secret；其流证书文件另有来源。",
            ),
            subject=_SUBJECT,
        )
    runs = not isinstance(workload, Unavailable) and bool(workload.live)
    if isinstance(secrets.stream, Unavailable):
        return _no_secret(secrets.stream, runs=runs)
    missing = [key for key in _KEYS if key not in secrets.stream.keys]
    if not missing:
        said = _mismatch(log)
        if said:
            return _no_pair(said)
        return passed(
            Text(f"{_SUBJECT} has {', '.join(_KEYS)}.", zh=f"{_SUBJECT} 含有 {', '.join(_KEYS)}。"),
            subject=_SUBJECT,
        )
    return _incomplete(missing, ", ".join(secrets.stream.keys) or "no keys", runs=runs)


def _mismatch(log: CloudcoreLog | Unavailable) -> str:
    """The last words of a cloudcore whose stream server could not load its pair (``tls.LoadX509KeyPair`` of Go)."""
    ended = () if isinstance(log, Unavailable) else log.pods
    return next((one.last_words for one in ended if _NO_PAIR.search(one.last_words)), "")


def _no_pair(said: str) -> Finding:
    return failed(
        Text(
            f"stream.key of {_SUBJECT} does not belong to stream.crt: cloudcore ends with it at every start.",
            zh=f"{_SUBJECT} 的 stream.key 与 stream.crt 不匹配：cloudcore 每次启动都因此退出。",
        ),
        expected=Text("a certificate and its own key", zh="证书及其对应的私钥"),
        actual=said,
        hint=Text(
            "Put a certificate and the key that it was made with into the Secret, then restart cloudcore.",
            zh="将成对的证书和私钥写入该 Secret，然后重启 cloudcore。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence("log of cloudcore", said),),
        commands=(
            "kubectl -n kubeedge logs -l kubeedge=cloudcore --previous --tail=5",
            "kedoctor explain KE108",
        ),
    )


def _mounts(workload: CloudcoreWorkload) -> bool:
    volumes = workload.deployment.spec.template.spec.volumes if workload.deployment else ()
    return any(volume.secret is not None and volume.secret.secret_name == _SECRET for volume in volumes or ())


def _no_secret(why: Unavailable, *, runs: bool) -> Finding:
    if why.reason is Reason.ABSENT:
        return _incomplete(list(_KEYS), "no such Secret", runs=runs)
    return unknown(
        Text(f"{_SUBJECT} was not read: {why}.", zh=f"未能读取 {_SUBJECT}：{why.in_chinese}。"),
        subject=_SUBJECT,
    )


def _incomplete(missing: list[str], actual: str, *, runs: bool) -> Finding:
    names = ", ".join(missing)
    # A pod that runs has its files already; only the next one waits.
    tell = warned if runs else failed
    return tell(
        Text(
            f"{_SUBJECT} lacks {names}: the next cloudcore pod that starts stays in ContainerCreating.",
            zh=f"{_SUBJECT} 缺少 {names}：下一个启动的 cloudcore Pod 会一直停在 ContainerCreating。",
        ),
        expected=Text(f"the keys {', '.join(_KEYS)}", zh=f"键 {', '.join(_KEYS)}"),
        actual=actual,
        hint=Text(
            "Put the certificates back under these names; the chart makes them only at the first install.",
            zh="以这些名称恢复证书；chart 只在首次安装时生成它们。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence(_SUBJECT, f"keys: {actual}"),),
        commands=(
            "kubectl -n kubeedge get secret cloudcore -o jsonpath='{.data}' | tr ',' '\\n' | cut -d: -f1",
            "kedoctor explain KE108",
        ),
        breaks=() if runs else None,
    )
