#!/usr/bin/env bash
# The script of action.yml: installs podid, runs one command, and writes a summary of the job. Inputs arrive as environment variables;
# none of them is ever read as a part of a script.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
prefix=${RUNNER_TEMP:?}/podid
sh "$here/install.sh" --version "${INPUT_VERSION:-latest}" --prefix "$prefix"
echo "$prefix/bin" >>"${GITHUB_PATH:?}"
[ -n "${INPUT_COMMAND:-}" ] || exit 0

[ -z "${INPUT_CLUSTER:-}" ] || export PODID_CLUSTER=$INPUT_CLUSTER
[ -z "${INPUT_REGION:-}" ] || export AWS_REGION=$INPUT_REGION

# Words are split at white space and at nothing else: no quotes, patterns or variables.
read -r -d '' -a words <<<"$INPUT_COMMAND ${INPUT_ARGS:-}" || true
formatted=false
for word in "${words[@]}"; do
    case $word in -o* | --output*) formatted=true ;; esac
done
markdown=false
if [ "${words[0]}" = verify ] && [ "$formatted" = false ]; then
    markdown=true
    words+=(-o markdown)
fi

said=$(mktemp)
trap 'rm -f "$said"' EXIT
code=0
"$prefix/bin/podid" "${words[@]}" 2>&1 | tee "$said" || code=${PIPESTATUS[0]}
echo "exit-code=$code" >>"${GITHUB_OUTPUT:?}"

# GitHub takes a megabyte for each step, and shows none of what is larger.
{
    if [ "$code" = 0 ]; then mark=✅; else mark=❌; fi
    printf '## %s podid %s (exit code %s)\n\n' "$mark" "${words[0]}" "$code"
    if [ "$markdown" = true ]; then
        head -c 900000 "$said"
    else
        # Indented, and so text whatever is in it.
        head -c 900000 "$said" | sed 's/^/    /'
    fi
} >>"${GITHUB_STEP_SUMMARY:?}"
exit "$code"
