"""Installing an edge node from an offline bundle (KE961-KE978)."""
