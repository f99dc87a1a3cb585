"""The tunnel and the links between edge and cloud (KE503-KE505, KE507, KE508, KE510-KE514, KE922)."""
