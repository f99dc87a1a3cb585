"""Installs: which checks, in which order. One procedure a file; their checks lie beside the others."""
