"""Judging: facts are made from observations, checks are run on facts, each with its own deadline."""
