"""Configuration files of KubeEdge and container runtimes: schemas, types, edits."""
