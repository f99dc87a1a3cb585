"""The Kubernetes distribution around KubeEdge: versions, K3s settings, upgrades, access (KE801-KE804, KE921, KE941-KE943)."""
