eval (E:PODID_COMPLETE=elvish podid | slurp)
