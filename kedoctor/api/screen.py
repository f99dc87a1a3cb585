"""Text for a terminal, for report formats that draw one: columns, colours, and nothing that moves the cursor."""

from __future__ import annotations

from kedoctor.base.screen import Group, Line, Padding, RenderableType, Styled, Table, columns, paint

__all__ = ["Group", "Line", "Padding", "RenderableType", "Styled", "Table", "columns", "paint"]
