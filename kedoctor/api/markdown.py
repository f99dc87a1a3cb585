"""Markdown pages as blocks, for report formats that show the page of a check."""

from __future__ import annotations

from kedoctor.base.markdown import Block, Code, Heading, Items, Paragraph, Span, Table, blocks

__all__ = ["Block", "Code", "Heading", "Items", "Paragraph", "Span", "Table", "blocks"]
