"""The vocabulary that plugins share: observations, facts, findings, plans, reports. kedoctor.api exports it."""
