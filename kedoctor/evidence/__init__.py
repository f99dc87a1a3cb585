"""Evidence: an archive of what was read at a site, written with secrets removed, and read again as a site."""
