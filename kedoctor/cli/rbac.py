"""``kedoctor rbac``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from kedoctor import patterns
from kedoctor.base.errors import UsageError
from kedoctor.base.text import Text
from kedoctor.cli import options
from kedoctor.judge.selection import Selection
from kedoctor.observe.access_rules import Role, roles
from kedoctor.plugins import load_plugins
from kedoctor.rbac.required_rules import Wanted, needs
from kedoctor.yaml.render import Layout, inline, pair

__all__ = ["command"]

CODES_SHOWN = 8
_WORDS = {
    "head": Text(
        "The rights that kedoctor needs for {checks}{more}; the comments name what needs them.",
        zh="kedoctor 进行 {checks}{more}所需的权限；注释说明何处需要。",
    ),
    "fix": Text(" and their repairs", zh="及其修复"),
    "gate": Text(", for kedoctor gate", zh="、连通性验收（kedoctor gate）"),
    "trace": Text(", for kedoctor trace", zh="、路径跟踪（kedoctor trace）"),
    "names": Text(
        "Derived from a recorded site; add --evidence FILE of your site if its objects have other names.",
        zh="根据录制的站点推导；若您站点中的对象名称不同，请加上 --evidence FILE。",
    ),
    "bind": Text("Give it to a user or a service account, for example:", zh="绑定给用户或服务账户，例如："),
}


@click.command()
@options.selection_options
@click.option("--fix", "repair", is_flag=True, help="Also what the repairs of these checks need.")
@click.option("--gate", is_flag=True, help="Also what kedoctor gate needs for its test pods.")
@click.option("--trace", is_flag=True, help="Also what kedoctor trace needs.")
@click.option("--name", default="kedoctor", show_default=True, help="The name of the roles.")
@click.option("--user", metavar="NAME", help="Also bind the roles to this user.")
@click.option("--service-account", metavar="NS/NAME", help="Also make and bind this service account.")
@click.option(
    "--operator",
    is_flag=True,
    help="Also what a person needs for kubectl logs, exec, attach and top; runs commands in pods.",
)
@options.evidence_option("Also what is asked on the site of this evidence; repeatable.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="How to print it.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
@options.language_option
def command(
    *,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    symptoms: tuple[str, ...],
    repair: bool,
    gate: bool,
    trace: bool,
    operator: bool,
    name: str,
    user: str | None,
    service_account: str | None,
    bundles: tuple[Path, ...],
    format_name: str,
    output: Path | None,
    lang: str | None,
) -> int:
    """Print the smallest roles that the selected checks need.

    Derived from what the checks really ask a recorded site. Apply it with kubectl apply -f - as an administrator. Without
    --fix, --gate, --trace and --operator the roles only read; a check about the rights of a person (KE921) then reports
    those that this account lacks.
    """
    if not patterns.compiled(r"[a-z0-9]([a-z0-9.:-]*[a-z0-9])?").fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a role")
    subject = _subject(user, service_account)
    plugins = load_plugins()
    selection = Selection(only, skip, symptoms)
    options.refuse_mistyped(selection, plugins)
    wanted = Wanted(repair=repair, gate=gate, trace=trace, operator=operator)
    found = needs(plugins, selection, wanted, bundles=bundles)
    made = roles(found)
    objects = [*_account(subject), *(role.body(name) for role in made)]
    bindings = [role.binding(name, subject) for role in made] if subject else []
    if format_name == "json":
        listed = {"apiVersion": "v1", "kind": "List", "items": [*objects, *bindings]}
        options.emit(json.dumps(listed, indent=2).encode() + b"\n", output)
        return 0
    count = len(selection.checks(plugins.registry, plugins.symptoms()))
    language = options.language(lang)
    lines = [
        *_head(count, language, wanted),
        *(line for one in _account(subject) for line in _document(one)),
        *(line for role in made for line in _role(role, name)),
        *(line for one in bindings for line in _document(one)),
        *(() if bindings else _hint(made, name, language)),
    ]
    options.emit(("\n".join(lines) + "\n").encode(), output)
    return 0


def _subject(user: str | None, account: str | None) -> dict[str, str]:
    if user and account:
        raise UsageError("--user and --service-account exclude each other")
    if user:
        return {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    if not account:
        return {}
    label = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
    if not patterns.compiled(f"{label}/{label}").fullmatch(account):
        raise UsageError(f"{account!r} is not a service account", hint="write it as NAMESPACE/NAME")
    namespace, _, name = account.partition("/")
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _account(subject: dict[str, str]) -> list[dict[str, Any]]:
    if subject.get("kind") != "ServiceAccount":
        return []
    metadata = {"name": subject["name"], "namespace": subject["namespace"]}
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}]


# ------------------------------------------------------------------------------------------ as YAML


def _head(count: int, language: str, wanted: Wanted) -> Iterator[str]:
    more = {"fix": wanted.repair, "gate": wanted.gate, "trace": wanted.trace}
    said = "".join(_say(key, language) for key, given in more.items() if given)
    checks = f"{count} 项检查" if language == "zh" else f"{count} check{'s' if count != 1 else ''}"
    yield f"# {_say('head', language).format(checks=checks, more=said)}"
    yield f"# {_say('names', language)}"


def _document(body: dict[str, Any]) -> list[str]:
    return ["---", *"".join(pair(key, value, 0, Layout()) for key, value in body.items()).splitlines()]


def _role(role: Role, name: str) -> Iterator[str]:
    yield from _document({key: value for key, value in role.body(name).items() if key != "rules"})
    yield "rules:"
    for rule, codes in role.rules:
        more = f" +{len(codes) - CODES_SHOWN}" if len(codes) > CODES_SHOWN else ""
        yield f"# {' '.join(codes[:CODES_SHOWN])}{more}"
        yield f"- {inline(rule)}"


def _hint(made: Sequence[Role], name: str, language: str) -> Iterator[str]:
    yield f"# {_say('bind', language)}"
    for role in made:
        where = (
            f"rolebinding {name} -n {role.namespace} --role"
            if role.namespace
            else f"clusterrolebinding {name} --clusterrole"
        )
        yield f"#   kubectl create {where}={name} --user=NAME"


def _say(key: str, language: str) -> str:
    return _WORDS[key].in_language(language)
