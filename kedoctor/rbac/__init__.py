"""The smallest Kubernetes roles that the checks, repairs, gates and traces need."""
