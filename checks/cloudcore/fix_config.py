"""Making cloudcore.yaml a document that cloudcore can start from, and putting it into force (KE103, KE104)."""

from __future__ import annotations

from kedoctor.api import NoPlan, Plan, Risk, Status, Text, Unavailable, Verdict, YamlChange, remedy
from kedoctor.api.yaml import YamlError
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreDocument, CloudcoreWorkload
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.parsers.config.schema import CLOUDCORE
from kedoctor.checks.parsers.config.schema_violations import Violation
from kedoctor.checks.plans.cloudcore import (
    AFTER_CLOUD,
    AFTER_CLOUDCORE,
    CLOUDCORE_PODS,
    EDGES_RECONNECT,
    NOTHING_NOTICED,
    edit_cloudcore,
    noticed,
    remove,
    restart_cloudcore,
    risk_of,
    spelt,
)
from kedoctor.checks.plans.touches import CONFIGURATION, PODS

__all__ = ["cloudcore_config", "cloudcore_restart"]

_MODE = "modules.iptablesManager.mode"
_STREAM_FILES = ("tlsStreamCAFile", "tlsStreamCertFile", "tlsStreamPrivateKeyFile")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@remedy("KE103", touches=CONFIGURATION)
def cloudcore_config(
    verdict: Verdict,
    read: CloudcoreDocument,
    config: CloudcoreConfig | Unavailable,
    workload: CloudcoreWorkload,
    manager: IptablesManager | Unavailable,
) -> Plan | NoPlan:
    """Each key that stops cloudcore: a word of the wrong type is rewritten, anything else left to the code default.

    Text that is not YAML is nobody's to guess. A cloudcore that still runs (the check then warns) is not restarted.
    """
    if read.error is not None:
        return NoPlan(_no_yaml(read.error))
    if isinstance(config, Unavailable):
        return NoPlan(_NO_KEY)
    fatal = [deviation for deviation in config.violations if deviation.fatal]
    changes = [_correction(config, deviation, manager) for deviation in fatal]
    if not fatal:
        changes = [
            remove(spelt(config, path))
            for key in _STREAM_FILES
            if config.written(path := f"modules.cloudStream.{key}")
        ]
    known = [change for change in changes if change is not None]
    if len(known) < len(changes) or not known:
        return NoPlan(_YOURS)
    restarts = () if verdict.status is Status.WARN else restart_cloudcore(workload)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=_title(known),
        prediction=noticed(restarts) if restarts else NOTHING_NOTICED,
        risk=risk_of(restarts),
        actions=(edit_cloudcore(*known),),
        restarts=restarts,
        settle=AFTER_CLOUDCORE if restarts else AFTER_CLOUD,
    )


def _title(changes: list[YamlChange]) -> Text:
    en = ", ".join(
        f"{change.path}: {str(change.value).lower()}" if change.how == "set" else f"{change.path} taken out"
        for change in changes
    )
    zh = "、".join(
        f"{change.path}: {str(change.value).lower()}" if change.how == "set" else f"删除 {change.path}"
        for change in changes
    )
    return Text(
        f"correct cloudcore.yaml where cloudcore stumbles ({en}); what is taken out falls back to the code default",
        zh=f"修正 cloudcore.yaml 中使 cloudcore 无法启动之处（{zh}）；被删除的键使用代码默认值",
    )


def _correction(
    config: CloudcoreConfig, deviation: Violation, manager: IptablesManager | Unavailable
) -> YamlChange | None:
    """The change for one deviation; ``None`` where only its owner knows what was meant."""
    parts = [part for part in deviation.path if isinstance(part, str) and "." not in part]
    path = ".".join(parts)
    if len(parts) < len(deviation.path) or not config.written(path):
        return None
    if deviation.kind == "wrong-type":
        meant = _meant(config.document.value(path), CLOUDCORE.effective({}, path))
        return None if meant is None else YamlChange("set", path, meant)
    if path.lower() == _MODE.lower():
        external = not isinstance(manager, Unavailable) and manager.daemonset is not None
        return YamlChange("set", path, "external" if external else "internal")
    return remove(path) if deviation.kind in ("null-section", "bad-value") else None


def _meant(written: object, default: object) -> bool | int | str | None:
    """What a value of the wrong type plainly stands for: a quoted word or number, a bare one where a string belongs."""
    if isinstance(default, bool):
        return _WORDS.get(written.lower()) if isinstance(written, str) else None
    if isinstance(default, int) and isinstance(written, str) and written.strip().isdecimal():
        return int(written)
    if isinstance(default, str) and isinstance(written, int | float) and not isinstance(written, bool):
        return str(written)
    return None


def _no_yaml(error: YamlError) -> Text:
    line, column = error.line, error.column
    return Text(
        f"cloudcore.yaml is not YAML from line {line}, column {column} on ({error.reason}), and what was meant is not to be "
        "guessed; correct that line: kubectl -n kubeedge edit configmap cloudcore",
        zh=f"cloudcore.yaml 从第 {line} 行第 {column} 列起不是 YAML（{error.in_chinese}），无法推测原意；"
        "请修正该行：kubectl -n kubeedge edit configmap cloudcore",
    )


_NO_KEY = Text(
    "ConfigMap kubeedge/cloudcore holds no cloudcore.yaml to correct; write the chart's again: "
    "helm -n kubeedge get manifest cloudcore",
    zh="ConfigMap kubeedge/cloudcore 中没有可修正的 cloudcore.yaml；请恢复 chart 的内容："
    "helm -n kubeedge get manifest cloudcore",
)
_YOURS = Text(
    "what was meant by the value cannot be told from here; correct it and delete the cloudcore pod: "
    "kubectl -n kubeedge edit configmap cloudcore",
    zh="无法得知该值的原意；请修正后删除 cloudcore Pod：kubectl -n kubeedge edit configmap cloudcore",
)


@remedy("KE104", touches=PODS)
def cloudcore_restart(verdict: Verdict, workload: CloudcoreWorkload) -> Plan | NoPlan:
    """Its pods deleted, not rolled: a rolling update waits for ever for the ports of the host (testbed.md)."""
    if not workload.pods:
        return NoPlan(
            Text(
                "cloudcore has no pod that could be restarted (KE105)",
                zh="没有可重启的 cloudcore Pod（见 KE105）",
            )
        )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            "delete cloudcore's pod, so that its successor reads the configuration that is written now",
            zh="删除 cloudcore 的 Pod，使新 Pod 读取当前配置",
        ),
        prediction=EDGES_RECONNECT,
        risk=Risk.RESTARTS_CLOUDCORE,
        actions=(),
        restarts=(CLOUDCORE_PODS,),
        settle=AFTER_CLOUDCORE,
    )
