"""What a pasted error text means: the records that ``kedoctor explain`` prints and that a plugin answers with.

``kedoctor explain --format json`` prints one :class:`Explanation`. Texts are English; the Chinese ones stand beside
them under ``zh``.
"""

from __future__ import annotations

from kedoctor.base.records import Record
from kedoctor.model.findings import Certainty

__all__ = ["Explanation", "InChinese", "Note", "Parts", "Statement", "SuspectedCause"]


class InChinese(Record, frozen=True, kw_only=True):
    """The same texts in Chinese."""

    meaning: str = ""
    summary: str = ""
    why: str = ""


class Note(Record, frozen=True):
    """What one part of a text tells by itself; ``part`` names the field of :class:`Parts`."""

    part: str
    meaning: str
    zh: InChinese


class Parts(Record, frozen=True, kw_only=True):
    """What the text that says most was taken apart into; empty is what it does not tell.

    ``speaker`` is the program that printed it, ``source`` its ``file.go:line``. ``host`` is what was dialled, its
    ``host_kind`` is ``loopback``, ``private``, ``link-local``, ``global`` or ``name``, its ``family`` ``ipv4`` or
    ``ipv6``. ``error`` is the kind of error (``refused``, ``timeout``, ``x509-name`` …). ``tls_refused_by`` is
    ``speaker`` or ``peer`` where a certificate was refused. ``status`` is an HTTP status, also where it is only
    implied by the words of kubectl.
    """

    speaker: str = ""
    severity: str = ""
    source: str = ""
    text: str = ""
    leg: str = ""
    host: str = ""
    host_kind: str = ""
    family: str = ""
    port: int | None = None
    path: str = ""
    error: str = ""
    tls_refused_by: str = ""
    status: int | None = None
    notes: tuple[Note, ...] = ()


class Statement(Record, frozen=True, kw_only=True):
    """A text that was recognised, ``count`` times, last in line ``line`` (from 1).

    ``benign``: noise that is never a cause. ``over``: later lines show that what failed here works again.
    """

    text: str
    meaning: str
    component: str = ""
    versions: str = ""
    severity: str = ""
    benign: bool = False
    over: bool = False
    count: int = 1
    line: int = 0
    zh: InChinese = InChinese()


class SuspectedCause(Record, frozen=True, kw_only=True):
    """What can be behind it: the check ``code`` decides, on the side ``side`` (``site``, ``cloud``, ``edge``).

    ``summary`` says what would be the matter, ``why`` also what in the text points at it. ``certainty`` is
    ``proved`` where the text itself states the cause. ``line`` is the line that points at it (from 1; 0: several
    together).
    """

    code: str
    slug: str
    hop: str
    side: str
    certainty: Certainty
    summary: str
    why: str
    line: int = 0
    zh: InChinese


class Explanation(Record, frozen=True, kw_only=True):
    """What a text means, the likeliest cause first.

    ``benign`` is true when all that was recognised is noise. Without causes and not benign, the text tells nothing
    that is known. ``hop`` is where on the data path it failed. ``lines`` counts what was read, ``unrecognised`` the
    error lines among it that nothing is known about.
    """

    benign: bool
    meaning: str
    hop: str
    causes: tuple[SuspectedCause, ...]
    parts: Parts
    statements: tuple[Statement, ...] = ()
    lines: int = 0
    unrecognised: int = 0
    zh: InChinese
