"""KE207: keys that edgecore ignores are moved to where it reads them, if that is unambiguous for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import EditYaml, NoPlan, Plan, Risk, Text, Verdict, YamlChange, remedy
from kedoctor.checks.edgecore.unread_keys import unread_keys
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.config.schema import EDGECORE, Violation
from kedoctor.checks.parsers.config.schema_violations import unknown_key
from kedoctor.checks.plans.edgecore import SETTLE, changed, edgecore_plan, no_plan, spelt

__all__ = ["misplaced_keys"]

# Ignored until now, such a value would decide from one moment to the next whether edgecore works at all.
_DECISIVE = (
    "address",
    "cgroupDriver",
    "containerRuntimeEndpoint",
    "hostnameOverride",
    "httpServer",
    "imageServiceEndpoint",
    "nodeIP",
    "readOnlyPort",
    "registerWithTaints",
    "rootDirectory",
    "server",
)


@dataclass(frozen=True, slots=True)
class _Undecided:
    """A key about which a person has to decide, and why."""

    why: Text


@remedy("KE207")
def misplaced_keys(verdict: Verdict, config: EdgecoreConfig, version: EdgecoreRelease) -> Plan | NoPlan:
    """Moves and renames keys, and removes those that no edgecore reads any more; what edgecore reads stays as it is."""
    answers = [_change(config, violation) for violation in unread_keys(config, version.release).certain]
    open_ = [answer.why for answer in answers if isinstance(answer, _Undecided)]
    open_ += list(_ambiguous(config))
    if open_:
        return _left_to_a_person(config, open_)
    changes = tuple(answer for answer in answers if isinstance(answer, YamlChange))
    tree = changed(config.document.data, changes)
    if not changes or tree is None:
        return no_plan("its keys cannot be moved as they stand", "这些键无法按现状移动")
    read = {violation.path for violation in config.violations} - {
        one.path for one in unread_keys(config, version.release).certain
    }
    left = [violation for violation in EDGECORE.inspect(tree) if violation.path not in read]
    if left:
        return _left_to_a_person(config, [deviation.text for deviation in left])
    return _plan(verdict, config, changes)


def _change(config: EdgecoreConfig, deviation: Violation) -> YamlChange | _Undecided:
    if any(not isinstance(part, str) or "." in part for part in deviation.path):
        return _Undecided(deviation.text)
    if deviation.kind == "null-section":
        return YamlChange("remove", deviation.path_text)
    if deviation.kind != "unknown-key":
        return _Undecided(deviation.text)
    home = _home(deviation)
    if home:
        return _moved(config, deviation, spelt(config, home))
    if len(deviation.belongs_at) > 1 or deviation.text == unknown_key(deviation.path).text:
        return _Undecided(deviation.text)
    return YamlChange("remove", deviation.path_text)


def _home(deviation: Violation) -> str:
    """The one place where the key would be read, or nothing."""
    if deviation.did_you_mean:
        return ".".join([*map(str, deviation.path[:-1]), deviation.did_you_mean])
    return deviation.belongs_at[0] if len(deviation.belongs_at) == 1 else ""


def _moved(config: EdgecoreConfig, deviation: Violation, home: str) -> YamlChange | _Undecided:
    value = config.document.value(deviation.path_text)
    if value == config.value(home):  # it says what counts anyway
        return YamlChange("remove", deviation.path_text)
    if config.line(home) is not None:
        return _Undecided(
            Text(
                f"{deviation.path_text} and {home} are both written and differ",
                zh=f"{deviation.path_text} 与 {home} 都写了且不一致",
            )
        )
    if home.rpartition(".")[2] in _DECISIVE:
        return _Undecided(
            Text(
                f"{deviation.path_text} would take effect at {home} and may stop edgecore",
                zh=f"{deviation.path_text} 移到 {home} 后会生效，可能使 edgecore 停止工作",
            )
        )
    return YamlChange("move", deviation.path_text, to=home)


def _ambiguous(config: EdgecoreConfig) -> Iterator[Text]:
    for twice in config.document.duplicates:
        path = ".".join(map(str, twice.path))
        yield Text(f"{path} is written twice", zh=f"{path} 写了两次")
    second = config.document.ignored_from
    if second is not None:
        yield Text(f"a second document begins on line {second.line}", zh=f"第 {second.line} 行起是第二个文档")


def _left_to_a_person(config: EdgecoreConfig, why: list[Text]) -> NoPlan:
    return no_plan(
        f"a person has to decide about {'; '.join(text.en for text in why)}: correct that with `sudo vi {config.path}`, then run `kedoctor run --fix` for the rest",
        f"以下需人工决定：{'；'.join(text.zh for text in why)}。请用 `sudo vi {config.path}` 修正，其余再由 `kedoctor run --fix` 处理",
    )


def _plan(verdict: Verdict, config: EdgecoreConfig, changes: tuple[YamlChange, ...]) -> Plan:
    moved = [f"{one.path} -> {one.to}" for one in changes if one.how == "move"]
    gone = [one.path for one in changes if one.how == "remove"]
    en = [f"move {', '.join(moved)}"] if moved else []
    zh = [f"移动 {'、'.join(moved)}"] if moved else []
    if gone:
        en.append(f"remove {', '.join(gone)}")
        zh.append(f"删除 {'、'.join(gone)}")
    title = Text(f"{' and '.join(en)} in {config.path}", zh=f"在 {config.path} 中{'，'.join(zh)}")
    edit = EditYaml(config.path, changes)
    if moved:
        effect = Text("What was ignored until now takes effect.", zh="此前被忽略的设置将生效。")
        return edgecore_plan(verdict, title, effect, edit)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=Text(
            "Nothing that edgecore reads changes, so it is not restarted.",
            zh="edgecore 实际读取的设置不变，因此不重启。",
        ),
        risk=Risk.SAFE,
        actions=(edit,),
        settle=SETTLE,
    )
