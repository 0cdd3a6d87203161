# Completion of podid in Elvish. podid itself gives the candidates.
eval (env PODID_COMPLETE=elvish podid | slurp)
