"""cloudcore: its configuration, workload, Service, Secrets, rights, listeners and log (KE101-KE113, KE501, KE506, KE509, KE911)."""
