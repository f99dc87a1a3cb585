"""Secrets by the shape of what stands round them: headers, addresses, options, tokens of Kubernetes."""

from __future__ import annotations

from collections.abc import Callable

from kedoctor import patterns
from kedoctor.redaction.base64_runs import decoded
from kedoctor.redaction.placeholders import JWT, PLACEHOLDER, Placeholders, is_placeholder
from kedoctor.redaction.secret_names import SECRET_WORDS, is_harmless, is_secret_key, kind_of

__all__ = ["redact_shapes"]

Replace = Callable[[patterns.Match[str], Placeholders], str]


def redact_shapes(text: str, marks: Placeholders) -> str:
    """``text`` without what stands where secrets stand."""
    for pattern, replace in _SHAPES:
        text = pattern.sub(_outside_placeholders(replace, marks), text)
        marks.go_on()
    return text


def _outside_placeholders(replace: Replace, marks: Placeholders) -> Callable[[patterns.Match[str]], str]:
    return lambda match: match[0] if match["placeholder"] else replace(match, marks)


def _shape(pattern: str, flags: patterns.RegexFlag = patterns.NOFLAG) -> patterns.Pattern[str]:
    return patterns.compiled(rf"(?P<placeholder>{PLACEHOLDER})|(?:{pattern})", flags)


def _jwt(match: patterns.Match[str], marks: Placeholders) -> str:
    # A run without a dot is base64 of something; it is taken as a whole so that nothing in it is looked at again.
    return marks.of_jwt(match["jwt"]) if "." in match["jwt"] else match[0]


def _token(match: patterns.Match[str], marks: Placeholders) -> str:
    return marks.of("token", match["token"])


def _bootstrap_token(match: patterns.Match[str], marks: Placeholders) -> str:
    first, _, second = match["token"].partition(".")
    if not (any(c.isdigit() for c in first) and any(c.isdigit() for c in second)):
        return match[0]
    return marks.of("token", match["token"])


def _between(match: patterns.Match[str], marks: Placeholders) -> str:
    """What stands between ``before`` and ``after``."""
    if is_harmless("password", match["token"]):
        return match[0]
    return match["before"] + marks.of("token", match["token"]) + (match.groupdict().get("after") or "")


def _user_of_url(match: patterns.Match[str], marks: Placeholders) -> str:
    user, colon, password = match["user"].partition(":")
    # docker://registry:5000/x@sha256:… names an image.
    if not password:
        plain = colon or (user.isalpha() and user.islower() and len(user) < 16)
        return match[0] if plain or _PORT_AND_PATH.match(user) else f"://{marks.of('token', user)}@"
    if _PORT_AND_PATH.fullmatch(password) and match.string.startswith("sha256:", match.end()):
        return match[0]
    return f"://{user}:{marks.of_value('password', password)}@"


_PORT_AND_PATH = patterns.compiled(r"\d{1,5}(?:/[\w./-]*)?|\[redacted ")


def _authorization(match: patterns.Match[str], marks: Placeholders) -> str:
    value = match["value"]
    if is_harmless("authorization", value) or value.lower() in ("bearer", "basic", "digest", "token"):
        return match[0]
    return match["before"] + marks.of("credential", value)


def _bearer(match: patterns.Match[str], marks: Placeholders) -> str:
    value = match["value"]
    if is_placeholder(value) or (value.isalpha() and len(value) < 20):
        return match[0]
    return match["before"] + marks.of("bearer token", value)


def _basic(match: patterns.Match[str], marks: Placeholders) -> str:
    if b":" not in decoded(match["value"]):
        return match[0]
    return match["before"] + marks.of("credential", match["value"])


def _flag(match: patterns.Match[str], marks: Placeholders) -> str:
    if not is_secret_key(match["key"]) or is_harmless(match["key"], match["value"].strip("\"'")):
        return match[0]
    return match["key"] + match["between"] + marks.of_value(kind_of(match["key"]), match["value"])


def _quoted_assignment(match: patterns.Match[str], marks: Placeholders) -> str:
    """``"NAME=value with spaces"``, as units and compose files write environment variables."""
    key, value = match["key"], match["value"]
    if not is_secret_key(key) or is_harmless(key, value):
        return match[0]
    return f"{match['quote']}{key}={marks.of_value(kind_of(key), value)}{match['quote']}"


_WORD = rf"(?:[^\s\"'`\[]++|{PLACEHOLDER}|\[)++"
_VALUE = rf"(?:\\{{0,8}}\"[^\"\\\n]{{0,2000}}|'[^'\n]{{0,2000}}|{_WORD})"

_SHAPES: tuple[tuple[patterns.Pattern[str], Replace], ...] = (
    (_shape(rf"(?P<jwt>{JWT})"), _jwt),
    (_shape(r"(?P<token>K10[0-9a-f]{16,64}::[^\s\"']+)"), _token),
    (_shape(r"(?<![\w.-])(?P<token>[a-z0-9]{6}\.[a-z0-9]{16})(?![\w.-])"), _bootstrap_token),
    # The last @ is the one before the host: a password may have some of its own.
    (_shape(r"://(?P<user>[^\s\"'`<>]{1,512})@(?=[\w\[%.-])(?![^\s\"'`<>/?]{0,512}@)"), _user_of_url),
    (
        _shape(
            r"(?P<before>(?<![\w/.-])[\w.-]{1,64}:)(?P<token>(?!\[redacted )[^\s\"'`]{1,200})(?P<after>@(?:tcp|udp|unix)\()"
        ),
        _between,
    ),
    (
        _shape(
            r"(?P<before>[?&;](?:sig|signature|x-amz-signature|x-amz-security-token|access_token|id_token|refresh_token"
            r"|x-goog-signature|auth|key|api_?key)=)(?P<token>(?!\[redacted )[^\s&\"'`#]{6,2000})",
            patterns.IGNORECASE,
        ),
        _between,
    ),
    (
        _shape(
            r"(?P<before>hooks\.slack\.com/[a-z]{1,20}/|/api/webhooks/)(?P<token>(?!\[redacted )[\w/-]{10,200})"
        ),
        _between,
    ),
    # .pgpass and .my.cnf of another kind: host:port:database:user:password
    (
        _shape(
            r"(?P<before>(?<![\w.])[\w.*-]{1,120}:(?:3306|5432|5433|6432):[\w*-]{1,64}:[\w*-]{1,64}:)(?P<token>(?!\[redacted )[^\s\"'`]{1,200})"
        ),
        _between,
    ),
    # known_tokens.csv: token,user,uid,"groups"
    (
        _shape(
            r"(?<![\w,.-])(?P<before>)(?P<token>(?!\[redacted )[\w.-]{12,200})(?P<after>,[\w:.@-]{1,120},[\w-]{1,60},\\{0,8}\"?system:)"
        ),
        _between,
    ),
    (
        _shape(
            r"(?P<before>\b(?:Set-)?Cookie\\{0,8}[\"']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,8}[\"']?)(?P<token>(?!\[redacted [^\]]{0,200}\](?:[\"'\\\n]|\Z))[^\s\"'][^\"'\\\n]{0,4000})",
            patterns.IGNORECASE,
        ),
        _between,
    ),
    (
        _shape(
            r"(?P<before>\bdigest[ \t]+)(?P<token>username=(?:[^\s]|\s(?=\w{2,10}=)){1,2000})",
            patterns.IGNORECASE,
        ),
        _between,
    ),
    (
        _shape(
            rf"(?P<before>(?<![a-z])authorization\\{{0,8}}[\"']?[ \t]{{0,4}}[:=][ \t]{{0,4}}(?:\[(?!redacted )[ \t]{{0,4}})?\\{{0,8}}[\"']?(?:(?:basic|bearer|digest|token|apikey)[ \t]{{1,4}})?)(?P<value>{PLACEHOLDER}|[^\s\"'\\]+)",
            patterns.IGNORECASE,
        ),
        _authorization,
    ),
    (
        _shape(
            rf"(?P<before>\bbearer[ \t]{{1,4}})(?P<value>{PLACEHOLDER}|[\w.~+/=-]{{8,}})", patterns.IGNORECASE
        ),
        _bearer,
    ),
    (_shape(r"(?P<before>\bbasic[ \t]{1,4})(?P<value>[A-Za-z0-9+/]{6,}={0,2})", patterns.IGNORECASE), _basic),
    (
        _shape(
            r"(?P<before>\btoken\s{1,8})(?P<token>(?!\[redacted )[^\s/]{16,400})(?P<after>\s{1,8}credentials?\b)",
            patterns.IGNORECASE,
        ),
        _between,
    ),
    (
        _shape(
            r"(?P<before>\bIDENTIFIED[ \t]{1,4}(?:WITH[ \t]{1,4}\w{1,40}[ \t]{1,4})?BY[ \t]{1,4}\\{0,8}['\"])(?P<token>(?!\[redacted )[^'\"\n]{1,200})",
            patterns.IGNORECASE,
        ),
        _between,
    ),
    (
        _shape(
            rf"(?P<key>(?:--|(?<![\w-])-)(?:[\w-]{{0,60}}(?:{SECRET_WORDS})[\w-]{{0,60}}|auth))(?P<between>[ \t]{{1,8}})(?P<value>(?![-:=]){_VALUE})",
            patterns.IGNORECASE,
        ),
        _flag,
    ),
    (
        _shape(r"(?P<quote>[\"'])(?P<key>[A-Za-z_][\w.-]{0,120})=(?P<value>[^\"'\n]{1,4000})(?P=quote)"),
        _quoted_assignment,
    ),
)
