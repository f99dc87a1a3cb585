"""Facts of the cloud host that several subjects read."""
