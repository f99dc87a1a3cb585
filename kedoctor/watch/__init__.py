"""Looking at a site again and again: what changed, what of it is served to a browser or to Prometheus."""
