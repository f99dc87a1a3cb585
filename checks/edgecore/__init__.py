"""edgecore: edgecore.yaml, the service, its listener and its log (KE201-KE214, KE502, KE701, KE705,
KE711-KE715, KE717-KE719, KE923).
"""
