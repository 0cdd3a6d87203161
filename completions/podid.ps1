# Completion of podid in PowerShell. podid itself gives the candidates.
$env:PODID_COMPLETE = "powershell"
podid | Out-String | Invoke-Expression
Remove-Item Env:\PODID_COMPLETE
