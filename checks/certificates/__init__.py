"""Certificates, keys, join tokens and the clocks that judge them (KE401-KE412)."""
