"""Secrets among the arguments of programs that take them under options that do not sound secret (``-p``, ``-u``)."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.redaction.placeholders import PLACEHOLDER, Placeholders, is_placeholder

__all__ = ["redact_arguments"]

_WORD = rf"(?:[^\s\"'`\[]++|{PLACEHOLDER}|\[)++"
# By program: options before a secret, and those to which it is attached.
_PROGRAMS = (
    (r"mysql\w{0,12}|mariadb[\w-]{0,12}", "", "p"),
    (r"mosquitto_\w{2,4}|ipmitool", "P", "P"),
    (r"sshpass", "p", "p"),
    (r"redis-cli", "a", "a"),
    (r"ldap\w{3,10}", "w", "w"),
    (r"(?:docker|podman|nerdctl|buildah|skopeo|helm)[ \t]{1,4}(?:registry[ \t]{1,4})?login", "p", "p"),
    (r"(?:nats|ctr|crictl)", "", ""),
)
_TAIL = 1000
_ANY = "|".join(rf"(?P<p{number}>{program})" for number, (program, _, _) in enumerate(_PROGRAMS))
_PROGRAM = patterns.compiled(rf"(?<![\w.-])(?:{_ANY})(?=[ \t])")
_OPTIONS = {
    number: patterns.compiled(
        "|".join(
            part
            for part in (
                rf"(?P<before>(?<=[ \t])-[{apart}][ \t]{{1,4}})(?P<value>(?!-){_WORD})" if apart else "",
                rf"(?P<attached>(?<=[ \t])-[{close}])(?P<rest>(?![ \t=-]){_WORD})" if close else "",
            )
            if part
        )
        or r"(?!)"
    )
    for number, (_, apart, close) in enumerate(_PROGRAMS)
}
# -u user:password and --user=user:password of any program; --from-literal=a=… of kubectl; pass:… of openssl.
_USER = patterns.compiled(
    rf"(?P<before>(?<![\w-])(?:-u|-U|--(?:proxy-)?user|--creds|--basic-auth|--from-literal)(?:[ \t]{{1,4}}|=)[\"']?[\w.@-]{{1,64}}[:=])(?P<value>(?!//){_WORD})"
)
_OPENSSL = patterns.compiled(rf"(?P<before>(?<![\w-])-pass(?:in|out)?[ \t]{{1,4}}pass:)(?P<value>{_WORD})")


def redact_arguments(text: str, marks: Placeholders) -> str:
    """``text`` without the secrets among the arguments of known programs."""
    text = _of_programs(text, marks)
    for pattern in (_USER, _OPENSSL):
        text = pattern.sub(lambda match: match["before"] + _mark(match["value"], marks), text)
    return text


def _of_programs(text: str, marks: Placeholders) -> str:
    out: list[str] = []
    position = 0
    while (match := _PROGRAM.search(text, position)) is not None:
        end = text.find("\n", match.end(), match.end() + _TAIL)
        end = min(len(text), match.end() + _TAIL) if end < 0 else end
        inner = _PROGRAM.search(text, match.end(), end)  # crictl exec ID mysql -p…
        end = inner.start() if inner else end
        number = int(str(match.lastgroup)[1:])
        out.append(text[position : match.end()])
        out.append(
            _OPTIONS[number].sub(lambda found: _replaced(found, marks), text[match.end() - 1 : end])[1:]
        )
        position = end
    return "".join((*out, text[position:]))


def _replaced(found: patterns.Match[str], marks: Placeholders) -> str:
    groups = found.groupdict()
    if groups.get("value"):
        return groups["before"] + _mark(groups["value"], marks)
    return groups["attached"] + _mark(groups["rest"], marks)


def _mark(value: str, marks: Placeholders) -> str:
    bare = value.rstrip("\\")
    return (
        value if is_placeholder(bare) or not bare else marks.of_value("password", bare) + value[len(bare) :]
    )
