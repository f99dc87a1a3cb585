"""edgecore: edgecore.yaml, the service, its listener and its log (KE201-KE213, KE502, KE701, KE705, KE711-KE713, KE923)."""
