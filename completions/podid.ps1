$env:PODID_COMPLETE = "powershell"; podid | Out-String | Invoke-Expression; Remove-Item Env:\PODID_COMPLETE
