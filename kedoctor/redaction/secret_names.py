"""Names under which secrets stand, and values that are none whatever they stand under."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.redaction.placeholders import PLACEHOLDER, is_placeholder

__all__ = ["OBJECT_KEYS", "PASSWORD_WORDS", "SECRET_WORDS", "is_harmless", "is_secret_key", "kind_of"]

PASSWORD_WORDS = r"passw(?:or)?d|passphrase|passwd|passcode|passwort|kennwort|contrase[nñ]a|пароль|パスワード|비밀번호|pwd|requirepass|密码|口令"  # noqa: S105  names, not values
_PASS = r"(?<![a-z])pass|(?<=\\n)pass|(?<=db)pass|(?<=mqtt)pass|(?<=user)pass"  # noqa: S105  as above
SECRET_WORDS = (
    rf"{PASSWORD_WORDS}|{_PASS}|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key|credential|creds"
    r"|key-data|join[_-]?key|shared[_-]?key|pre[_-]?shared[_-]?key|signing[_-]?key|encryption[_-]?key|master[_-]?key"
    r"|account[_-]?key|license[_-]?key|connection[_-]?string|\bpsk|\bdsn|(?<=\\n)(?:psk|dsn)|cookie|令牌|密钥"
)

OBJECT_KEYS = frozenset(
    {
        *("secretName", "name", "namespace", "key", "items", "optional", "defaultMode", "audience", "path"),
        "expirationSeconds",
    }
)
"""Under a name that sounds secret these speak of where the secret is: ``{"secret": {"secretName": …}}``."""

LONGEST_NAME = 256
"""Of a longer name only the end is looked at."""

# A key that only speaks about a secret: where it is, how long it lives, how many there are.
_ABOUT = patterns.compiled(
    r"(?:hash|files?|path|dir|directory|duration|expir\w{0,12}|ttl|lifetime|seconds|type|names?|namespace|count|limit"
    r"|workers|events?|mounts?|volumes?|refs?|provider|refresh\w{0,12}|reviews?|requests?|audiences?|ids?|urls?|uri"
    r"|endpoints?|algorithm|manager|controller|auth|webhook\w{0,12}|hook\w{0,12}|version|required|enabled?|keyref)$",
    patterns.IGNORECASE,
)
_PASSWORD = patterns.compiled(rf"{PASSWORD_WORDS}|{_PASS}", patterns.IGNORECASE)
# configMapAndSecretChangeDetectionStrategy is not a secret: in names of that style the word stands at the end. What may
# follow it is taken without going back, longer words first, so that no name takes more than one look.
_QUALIFIED = r"(?:string|data|value|keys?|text|old|new|previous|current|backup|b64|base64|\d|s|[-_.])*+"
_SECRET_KEY = patterns.compiled(rf"(?:{SECRET_WORDS}){_QUALIFIED}\Z", patterns.IGNORECASE)
_UPPER_WORDS = "PASS|PASSWD|PASSWORD|PASSPHRASE|PWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|AUTH_?KEY|PRIVATE_?KEY|CREDENTIAL|CREDS|JOIN_?KEY|PSK|DSN|COOKIE"
_ENVIRONMENT_KEY = patterns.compiled(rf"(?:{_UPPER_WORDS})")
_ENVIRONMENT_NAME = patterns.compiled(r"[A-Z0-9_]+")
_PLACEHOLDER = patterns.compiled(PLACEHOLDER)
_AUTH = patterns.compiled(r"-{0,2}(?:_|[a-z]{1,20}_)?auth(?:orization)?", patterns.IGNORECASE)
_NO_SECRETS = frozenset({"PWD", "OLDPWD", "BYPASS", "COMPASS"})
"""Names of the shell and of the field that end like a secret: where somebody stands."""

_HARMLESS = patterns.compiled(
    r"(?:true|false|yes|no|null|none|nil|<nil>|~|\{\}|\[\]|\"\"|''|\\\"\\\"|-|\*+|\d{1,6}|(?:unix://)?/[\w./@:-]*)?[,;]?",
    patterns.IGNORECASE,
)
_EMPTY = patterns.compiled(
    r"(?:null|none|nil|<nil>|~|\"\"|''|\\\"\\\"|\{\}|\[\]|\*+)?[,;]?", patterns.IGNORECASE
)


def is_secret_key(key: str) -> bool:
    """Whether a key of that name holds a secret (``token``, ``mqttPassword``), not something about one (``tokenFile``)."""
    key = _PLACEHOLDER.sub("", key) if "[redacted " in key else key
    key = key[-LONGEST_NAME:]
    if _AUTH.fullmatch(key):
        return True
    if key in _NO_SECRETS or _ABOUT.search(key) is not None:
        return False
    found = _PASSWORD.search(key) or _SECRET_KEY.search(key)
    if found is None and _ENVIRONMENT_NAME.fullmatch(key):
        found = _ENVIRONMENT_KEY.search(key)
    return found is not None


def is_harmless(key: str, value: str) -> bool:
    """Whether a value is empty, redacted already, or (passwords aside) a number, a truth value or a path."""
    text = value.strip()
    pattern = _EMPTY if _PASSWORD.search(key[-LONGEST_NAME:]) else _HARMLESS
    return pattern.fullmatch(text) is not None or is_placeholder(text.strip("\"'\\,;"))


def kind_of(key: str) -> str:
    """What to call the value of a secret key."""
    lowered = key.lower()
    for word, kind in (
        ("pass", "password"),
        ("pwd", "password"),
        ("密码", "password"),
        ("token", "token"),
        ("secret", "secret"),
    ):
        if word in lowered:
            return kind
    return "credential"
