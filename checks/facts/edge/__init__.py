"""Facts of an edge host that several subjects read."""
