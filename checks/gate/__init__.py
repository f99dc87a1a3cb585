"""The round trips of a gate: logs, exec, attach and top through a test pod (KE901-KE904), and whether a tunnel was lost meanwhile (KE905)."""
