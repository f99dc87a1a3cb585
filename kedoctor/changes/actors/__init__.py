"""The hands: actors that carry actions out on files, units, rules, objects and images."""
