source <(PODID_COMPLETE=bash podid)
