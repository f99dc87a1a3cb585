"""``kedoctor gate``: test pods on every member, the checks that need them, waiting, and clearing away."""
