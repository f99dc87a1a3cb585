"""Traces: the hops of one request, tested in their order."""
