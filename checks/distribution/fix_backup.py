"""A backup of the settings, written where kedoctor looks for it (KE941)."""

from __future__ import annotations

from kedoctor.api import (
    BackupManifest,
    EveryHost,
    KeptDocument,
    NoPlan,
    Plan,
    Risk,
    SettingsDocument,
    Text,
    Unavailable,
    Verdict,
    WriteFile,
    encode_pretty,
    patterns,
    remedy,
)
from kedoctor.checks.distribution.facts_backups import BACKUPS
from kedoctor.checks.distribution.facts_settings import HostSettings, SiteSettings
from kedoctor.checks.facts.edge.clock import HostTime

__all__ = ["config_backup"]

_TOKEN = patterns.compiled(r"^[ \t]*+token:[ \t]*+[\"']?[^\"'\s#]", patterns.MULTILINE)
# Nobody can say what a comment holds: one that is more than plain words, or speaks of a secret, may hold one.
_COMMENT = patterns.compiled(r"#[^\n]*")
_PLAIN_WORDS = patterns.compiled(r"#(?:[\s#,.;'()/-]|[^\W\d_]{1,20}(?![^\W_]))*")
_OF_SECRETS = patterns.compiled(
    r"pass|pwd|secret|token|cred|key|auth|login|密|口令|令牌", patterns.IGNORECASE
)


@remedy("KE941")
def config_backup(
    verdict: Verdict,
    site: SiteSettings | Unavailable,
    hosts: EveryHost[HostSettings],
    time: HostTime,
) -> Plan | NoPlan:
    """The document and its values, after everything else that is repaired: the backup is of what is then there.

    A file that holds a secret, such as its join token or a comment that may be one, is kept by its values alone, without
    the secrets among them.
    """
    documents = [one for found in hosts.known().values() for one in found.documents]
    if isinstance(site, SiteSettings):
        documents = [*site.documents, *documents]
    document = next((one for one in documents if one.name == verdict.subject), None)
    if document is None:
        return NoPlan(Text("cannot back up: the settings could not be read", zh="未能读取需要备份的内容"))
    secret = (
        bool(document.secrets)
        or _TOKEN.search(document.text) is not None
        or any(_may_hold_a_secret(one) for one in _COMMENT.findall(document.text))
    )
    file = "" if secret else document.title
    manifest = _manifest(document, file, time)
    directory = f"{BACKUPS}/{manifest.id}"
    text = (WriteFile(f"{directory}/{file}", document.text.encode(), mode=0o600),) if file else ()
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            f"keep the settings of {document.name} in {directory}",
            zh=f"将 {document.name} 的配置保存到 {directory}",
        ),
        prediction=Text("Nothing notices it.", zh="不影响任何组件。"),
        risk=Risk.SAFE,
        actions=(*text, WriteFile(f"{directory}/manifest.json", encode_pretty(manifest), mode=0o600)),
        settle=1.0,
        alone=True,
    )


def _may_hold_a_secret(comment: str) -> bool:
    return _PLAIN_WORDS.fullmatch(comment) is None or _OF_SECRETS.search(comment) is not None


def _manifest(document: SettingsDocument, file: str, time: HostTime) -> BackupManifest:
    made = f"{time.now:%Y%m%dT%H%M%SZ}-{document.title.partition('.')[0]}"
    return BackupManifest(
        id=made,
        created=time.now,
        host="",
        tool="",
        documents=(KeptDocument(document.name, file, document.without_secrets()),),
    )
