"""The way from kube-apiserver to CloudStream: kubelet port, tunnel port record, DNAT rules, iptables-manager (KE107, KE301-KE311, KE704)."""
