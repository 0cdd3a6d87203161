# Completion of podid in bash. podid itself gives the candidates.
# Not `source <(...)`, which reads nothing in the bash 3.2 of macOS.
eval "$(PODID_COMPLETE=bash podid)"
