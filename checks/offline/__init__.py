"""Offline bundles and the images a host needs (KE931, KE932)."""
