"""A throw-away site: real files, a real API server and stand-ins for what cannot be carried along."""
