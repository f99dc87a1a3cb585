"""Repairs: plan, confirm, journal, act, verify; what did not help is rolled back."""
