"""One run: open the site, judge it, wait if asked, return the report."""
