"""The edge Node and its host: readiness, labels, resources, container runtime (KE702, KE703, KE706-KE710, KE716, KE912)."""
