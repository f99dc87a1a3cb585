"""Remedies: pure functions from facts and a failing verdict to a plan. One subject, one file."""
