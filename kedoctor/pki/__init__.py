"""X.509 certificates, keys and host names, without knowledge of who uses them."""
