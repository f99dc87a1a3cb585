"""The document of cloudcore: can cloudcore start from it, is all of it read, and does it run with it (facts.md §1.1)."""

from __future__ import annotations

from datetime import timedelta

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import (
    CloudcoreConfig,
    CloudcoreDocument,
    CloudcoreWorkload,
    Writing,
)
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog, PodLog
from kedoctor.checks.facts.cluster.metrics import WorkingDiversion
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.parsers.config.schema import Violation
from kedoctor.checks.parsers.durations import ago
from kedoctor.checks.parsers.kubernetes.pod_health import running_since

__all__ = ["cloudcore_config_live", "cloudcore_config_valid"]

_SUBJECT = "configmap/kubeedge/cloudcore"
_DOCUMENT = f"{_SUBJECT}, cloudcore.yaml"
_EDIT = "kubectl -n kubeedge edit configmap cloudcore"
_RECREATE = (
    "kubectl -n kubeedge delete pod -l kubeedge=cloudcore  # every edge reconnects; no rollout restart"
)
_STARTING = timedelta(seconds=60)
_STREAM_FILES = ("tlsStreamCAFile", "tlsStreamCertFile", "tlsStreamPrivateKeyFile")


@check(
    code="KE103",
    slug="cloudcore-config-valid",
    title=Text("cloudcore can read its configuration", zh="cloudcore 能读取其配置"),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="stream",
    remedy=Text("Move or correct the named keys.", zh="移动或修正所指出的键。"),
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §1.1", "facts.md §1.2", "facts.md §5.2"),
)
def cloudcore_config_valid(
    read: CloudcoreDocument, config: CloudcoreConfig | Unavailable, workload: CloudcoreWorkload | Unavailable
) -> Finding:
    """Everything in the document that makes cloudcore exit, and what it ignores without a word."""
    runs = not isinstance(workload, Unavailable) and bool(workload.live)
    if read.error is not None:
        where = f"line {read.error.line}, column {read.error.column}"
        summary = Text(
            f"cloudcore.yaml is not YAML that cloudcore can read: {where}: {read.error.reason}.",
            zh=f"cloudcore.yaml 不是 cloudcore 能读取的 YAML：第 {read.error.line} 行第 {read.error.column} 列：{read.error.in_chinese}。",
        )
        return _fatal(summary, f"{where}: {read.error.reason}", read.error.line, runs=runs)
    if isinstance(config, Unavailable):
        summary = Text(
            "ConfigMap kubeedge/cloudcore has no key cloudcore.yaml.",
            zh="ConfigMap kubeedge/cloudcore 没有键 cloudcore.yaml。",
        )
        return _fatal(summary, "no such key", None, runs=runs)
    fatal = [deviation for deviation in config.violations if deviation.fatal]
    if fatal:
        return _fatal(_told(fatal), fatal[0].path_text, fatal[0].line, runs=runs)
    unmounted = _unmounted(config, workload)
    if unmounted:
        return _fatal(_no_file(unmounted), ", ".join(unmounted), None, runs=runs)
    ignored = [deviation for deviation in config.violations if not deviation.fatal]
    if ignored:
        return _ignored(ignored)
    return passed(
        Text("cloudcore.yaml fits what cloudcore reads.", zh="cloudcore.yaml 符合 cloudcore 的读取格式。"),
        subject=_SUBJECT,
    )


def _told(violations: list[Violation]) -> Text:
    en = "; ".join(deviation.text.en for deviation in violations)
    zh = "；".join(deviation.text.zh for deviation in violations)
    return Text(
        f"cloudcore cannot start from its configuration: {en}.", zh=f"cloudcore 无法使用该配置启动：{zh}。"
    )


def _unmounted(config: CloudcoreConfig, workload: CloudcoreWorkload | Unavailable) -> tuple[str, ...]:
    """Stream files that nothing in the pod provides; where a volume hides what it holds, none is named."""
    if isinstance(workload, Unavailable) or workload.deployment is None or not config.stream_enabled:
        return ()
    spec = workload.deployment.spec.template.spec
    wanted = {key: str(config.value(f"modules.cloudStream.{key}")) for key in _STREAM_FILES}
    provided: set[str] = set()
    opaque: list[str] = []
    secrets = {volume.name: volume.secret for volume in spec.volumes or ()}
    for mount in (mount for container in spec.containers for mount in container.volume_mounts or ()):
        secret = secrets.get(mount.name)
        if secret is not None and secret.items is not None:
            provided |= {f"{mount.mount_path.rstrip('/')}/{item.path}" for item in secret.items}
        else:
            opaque.append(mount.mount_path.rstrip("/") + "/")
    return tuple(
        f"{key}: {path}"
        for key, path in wanted.items()
        if path not in provided and not any(path.startswith(prefix) for prefix in opaque)
    )


def _no_file(unmounted: tuple[str, ...]) -> Text:
    return Text(
        f"cloudcore exits because a stream file does not exist in its pod: {', '.join(unmounted)}.",
        zh=f"cloudcore 会因其 Pod 中不存在流证书文件而退出：{'、'.join(unmounted)}。",
    )


def _fatal(summary: Text, actual: str, line: int | None, *, runs: bool) -> Finding:
    expected = Text("a document that cloudcore v1.22 can start from", zh="cloudcore v1.22 可以启动的文档")
    hint = Text(
        "Correct the named place, then delete the cloudcore pod.", zh="修正所指位置，然后删除 cloudcore Pod。"
    )
    evidence = (Evidence(_DOCUMENT, actual, line),)
    if not runs:
        return failed(
            summary,
            expected=expected,
            actual=actual,
            hint=hint,
            subject=_SUBJECT,
            evidence=evidence,
            commands=(_EDIT, _RECREATE),
        )
    return warned(
        Text(
            f"{summary.en} The cloudcore that runs started before this change; it will not start again.",
            zh=f"{summary.zh}当前运行的 cloudcore 在此修改之前启动；重启后将无法启动。",
        ),
        expected=expected,
        actual=actual,
        hint=Text(
            "Correct the named place before cloudcore restarts.", zh="请在 cloudcore 重启前修正所指位置。"
        ),
        subject=_SUBJECT,
        evidence=evidence,
        commands=(_EDIT,),
        breaks=(),
    )


def _ignored(violations: list[Violation]) -> Finding:
    en = "; ".join(deviation.text.en for deviation in violations)
    zh = "；".join(deviation.text.zh for deviation in violations)
    return warned(
        Text(f"cloudcore ignores part of its configuration: {en}.", zh=f"cloudcore 忽略了部分配置：{zh}。"),
        expected=Text(
            "only keys that cloudcore reads, each in its place", zh="只含 cloudcore 会读取的键，且位置正确"
        ),
        actual=en,
        hint=Text(
            "Move or rename the keys; cloudcore drops them when it next rewrites the ConfigMap.",
            zh="移动或改名；cloudcore 下次重写该 ConfigMap 时会丢弃它们。",
        ),
        subject=_SUBJECT,
        evidence=tuple(Evidence(_DOCUMENT, deviation.path_text, deviation.line) for deviation in violations),
        commands=(_EDIT,),
        breaks=(),
        hop="",
    )


# ------------------------------------------------------------------------------------------ is it in use


@check(
    code="KE104",
    slug="cloudcore-config-live",
    title=Text(
        "cloudcore runs with the configuration that is written", zh="cloudcore 运行时使用的是当前配置"
    ),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="stream",
    explained_by=("KE103", "KE105", "KE111", "KE113"),
    remedy=Text(
        "Stop cloudcore fully, then start it: delete its pod (a rolling restart can deadlock on the host's ports).",
        zh="先完全停止再启动 cloudcore：删除其 Pod（滚动重启可能因主机端口而死锁）。",
    ),
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §1.1", "facts.md §9 (22, 24)", "facts.md §10 (35)", "testbed.md surprises 3, 5"),
)
def cloudcore_config_live(
    *,
    read: CloudcoreDocument,
    config: CloudcoreConfig,
    workload: CloudcoreWorkload,
    log: CloudcoreLog | Unavailable,
    time: SiteTime | Unavailable,
    diversion: WorkingDiversion,
) -> Finding:
    """Who wrote the document last and when, against the start of the pod and what its log says it started."""
    if not workload.live:
        return skipped(
            Text("cloudcore does not run (KE105).", zh="cloudcore 未运行（KE105）。"), subject=_SUBJECT
        )
    for pod in workload.live:
        told = None if isinstance(log, Unavailable) else log.of(pod.metadata.name)
        settled = _settled(workload, time)
        contradiction = _contradiction(config, told, settled=settled) if told is not None else None
        if contradiction is not None:
            return contradiction
    later = _edited_after_start(read.writing, workload)
    if later is not None:
        return _stale(later, time, _older(later, workload), several=len(workload.live) > 1)
    known = read.writing is not None and workload.started is not None
    if known or _log_agrees(config, workload, log):
        return _live()
    return _streams_live() if config.stream_enabled and diversion.edges else _not_known()


def _settled(workload: CloudcoreWorkload, time: SiteTime | Unavailable) -> bool:
    """Whether cloudcore had time to open its ports: it sleeps up to 9 s, then waits for certificates."""
    if isinstance(time, Unavailable) or workload.started is None:
        return False
    return time.now - workload.started > _STARTING


def _contradiction(config: CloudcoreConfig, told: PodLog, *, settled: bool) -> Finding | None:
    if config.stream_enabled and told.stream_module is False:
        return _differs(
            Text(
                "cloudStream is on in cloudcore.yaml, but cloudcore started before that and runs without it.",
                zh="cloudcore.yaml 中 cloudStream 已启用，但 cloudcore 在此之前启动，运行时未启用它。",
            ),
            "Module cloudStream is disabled, do not register",
            told.pod,
        )
    begun = len(told.servers) == 2 or not (told.from_start and told.stream_module)
    if config.stream_enabled and settled and not begun:
        return _differs(
            Text(
                "cloudcore loaded cloudStream but has not begun to listen: it still waits for its certificates or for "
                "CRDs that are missing.",
                zh="cloudcore 已加载 cloudStream 但尚未开始监听：仍在等待证书或缺失的 CRD。",
            ),
            f"begun: {', '.join(sorted(told.servers)) or 'none'} of stream, tunnel",
            told.pod,
        )
    return None


def _differs(summary: Text, line: str, pod: str) -> Finding:
    return failed(
        summary,
        expected=Text(
            "the lines `Prepare to start stream server` and `Prepare to start tunnel server`",
            zh="日志中有 `Prepare to start stream server` 与 `Prepare to start tunnel server`",
        ),
        actual=line,
        hint=Text(
            "Delete the cloudcore pod, and look at its log when it is back.",
            zh="删除 cloudcore Pod，恢复后查看其日志。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence(f"log of {pod}", line),),
        commands=(_RECREATE, "kubectl -n kubeedge logs deployment/cloudcore | grep 'Prepare to start'"),
    )


def _edited_after_start(writing: Writing | None, workload: CloudcoreWorkload) -> Writing | None:
    # Cloudcore writes the whole document back a few seconds after it started (facts.md §1.1): that is not an edit.
    if writing is None or workload.started is None or writing.manager == "cloudcore":
        return None
    return writing if _older(writing, workload) else None


def _older(writing: Writing, workload: CloudcoreWorkload) -> tuple[str, ...]:
    """The pods that run since before the writing; each cloudcore reads the document at its own start."""
    return tuple(
        pod.metadata.name
        for pod in workload.live
        if (start := running_since(pod)) is not None and start < writing.time
    )


def _stale(
    writing: Writing, time: SiteTime | Unavailable, pods: tuple[str, ...], *, several: bool
) -> Finding:
    which = pods[0] if len(pods) == 1 and several else "cloudcore"
    when = Text(f"at {writing.time:%H:%M:%S} UTC", zh=f"于 {writing.time:%H:%M:%S} UTC")
    if not isinstance(time, Unavailable):
        past = ago(time.now, writing.time)
        when = Text(past.en, zh=f"在{past.zh}")
    return warned(
        Text(
            f"{writing.manager} changed cloudcore.yaml {when.en}, after {which} had started: it runs with the old one.",
            zh=f"{writing.manager} {when.zh}修改了 cloudcore.yaml，晚于 {which} 启动：它仍使用旧配置。",
        ),
        expected=Text("cloudcore started after the last change", zh="cloudcore 在最后一次修改之后启动"),
        actual=Text(
            f"changed {writing.time.isoformat()} by {writing.manager}",
            zh=f"{writing.manager} 于 {writing.time.isoformat()} 修改",
        ),
        hint=Text(
            "Delete the cloudcore pod when every edge may reconnect.",
            zh="在允许所有边缘节点重连时删除 cloudcore Pod。",
        ),
        subject=_SUBJECT,
        evidence=(
            Evidence(f"{_SUBJECT}, metadata.managedFields", f"{writing.manager}, {writing.time.isoformat()}"),
        ),
        commands=("kubectl -n kubeedge get configmap cloudcore -o yaml --show-managed-fields", _RECREATE),
        breaks=(),
    )


def _log_agrees(
    config: CloudcoreConfig, workload: CloudcoreWorkload, log: CloudcoreLog | Unavailable
) -> bool:
    if isinstance(log, Unavailable):
        return False
    told = [log.of(pod.metadata.name) for pod in workload.live]
    if config.stream_enabled:
        return all(one is not None and len(one.servers) == 2 for one in told)
    return all(one is not None and one.stream_module is False for one in told)


def _live() -> Finding:
    return passed(
        Text("cloudcore runs with the configuration that is written.", zh="cloudcore 使用的是当前配置。"),
        subject=_SUBJECT,
    )


def _streams_live() -> Finding:
    return passed(
        Text(
            "cloudcore runs with cloudStream on, as is written; the rest of its configuration was not compared.",
            zh="cloudcore 运行时启用了 cloudStream，与配置一致；其余配置未作比较。",
        ),
        subject=_SUBJECT,
    )


def _not_known() -> Finding:
    return unknown(
        Text(
            "Whether cloudcore runs with this configuration is unknown: neither the time of the last change nor the "
            "beginning of its log was read.",
            zh="无法判断 cloudcore 是否使用当前配置：既未读到最后修改时间，也未读到其日志开头。",
        ),
        subject=_SUBJECT,
        commands=(
            "kubectl -n kubeedge get configmap cloudcore -o yaml --show-managed-fields",
            "kubectl -n kubeedge logs deployment/cloudcore | grep -E 'Prepare to start|Module cloudStream'",
        ),
    )
