"""Settings of a site at one moment: collected, kept as a backup, compared."""
