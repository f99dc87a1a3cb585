"""YAML documents with line numbers, edited with comments, order and quoting kept."""
