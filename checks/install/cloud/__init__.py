"""Installing the cloud side: K3s, cloudcore, metrics-server, and the join command for edges (KE951-KE960, KE980-KE984)."""
