"""Log lines: klog, known messages, network errors, exit reasons."""
