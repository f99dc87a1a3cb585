"""Installs: the steps of a procedure, each judged, done and judged again."""
