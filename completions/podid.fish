# Completion of podid in fish. podid itself gives the candidates.
PODID_COMPLETE=fish podid | source
