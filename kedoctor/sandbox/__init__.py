"""A throw-away site: real files, a real API server, and stand-ins for services that cannot be carried along."""
