"""The round trips of a gate: logs, exec, attach and top through a test pod (KE901-KE904)."""
