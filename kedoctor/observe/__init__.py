"""Observing: one source answers each request once, whether it is live, recorded or replayed."""
