"""What plays KubeEdge in the sandbox of ``kedoctor demo --fix``."""
