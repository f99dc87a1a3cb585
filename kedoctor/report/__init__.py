"""The report document of a run: verdicts become causes, a matrix and one headline."""
