"""What the command line says: each line passes the redactor. No other module of the command line prints.

Reports were made safe when they were built. This is for everything else: sentences about files, arguments and answers
of servers, errors, lists, documents that are printed as JSON.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import click

from kedoctor.base.records import encode_pretty

if TYPE_CHECKING:
    from kedoctor.redaction.documents import DocumentRedactor

__all__ = ["document", "safe", "say", "show"]


def safe(text: str) -> str:
    """The text without secrets; never raises."""
    return _redactor().text(text)


def say(text: str = "", *, err: bool = False, nl: bool = True, **style: Any) -> None:
    """Prints a text without the secrets in it; ``style`` as ``click.style`` takes it."""
    told, worn = safe(text), {name: one for name, one in style.items() if one is not None}
    click.echo(click.style(told, **worn) if worn else told, err=err, nl=nl)


def document(value: object) -> None:
    """Prints a record, or a list of such, as JSON without the secrets in it."""
    click.echo(encode_pretty(_redactor().value(value)), nl=False)


def show(page: str | bytes = "", *, err: bool = False, nl: bool = True) -> None:
    """Prints as it stands what cannot hold a foreign secret (a page made of a safe report, a text of our own), or must.

    Must: the one text of an install that is of use only with the secret in it.
    """
    click.echo(page, err=err, nl=nl)


@cache
def _redactor() -> DocumentRedactor:
    from kedoctor.redaction.documents import DocumentRedactor  # noqa: PLC0415  `kedoctor version` needs none

    return DocumentRedactor()
