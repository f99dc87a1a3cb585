"""metrics-server and the metrics API (KE601-KE610)."""
