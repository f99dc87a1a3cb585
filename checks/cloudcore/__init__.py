"""cloudcore: its configuration, workload, Service, Secrets, rights, listeners and log (KE101-KE114, KE501, KE506, KE509, KE911)."""
