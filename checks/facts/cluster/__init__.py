"""Facts from the Kubernetes API that several subjects read."""
