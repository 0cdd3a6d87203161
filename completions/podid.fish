PODID_COMPLETE=fish podid | source
