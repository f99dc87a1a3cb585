"""Pure readers of texts that KubeEdge, Kubernetes and hosts write."""
