"""Redaction: what is secret is replaced before a text leaves memory, or the text is withheld."""
