"""edgecore: edgecore.yaml, the unit, its listener and log (KE201-KE214, KE502, KE701, KE705, KE711-KE719, KE923)."""
