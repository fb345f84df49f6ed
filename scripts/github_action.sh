#!/usr/bin/env bash
# The step of action.yml: run the audit, annotate, write the job summary and the outputs, and end with the audit's code.
set -uo pipefail

summary=$(mktemp --suffix=.md)
result=$(mktemp --suffix=.json)
trap 'rm -f "$summary" "$result"' EXIT

command=("${AUDIT_PYTHON:-python3}" -m audit run "$AUDIT_DATA" -q)
while IFS= read -r option; do
  [ -z "$option" ] || command+=("$option")
done <<< "${AUDIT_OPTIONS:-}"
command+=(--format github -o - --format md -o "$summary" --format json -o "$result")
[ -z "${AUDIT_SARIF:-}" ] || command+=(--format sarif -o "$AUDIT_SARIF")
[ -z "${AUDIT_REPORT:-}" ] || command+=(--format html -o "$AUDIT_REPORT")

"${command[@]}"
code=$?

[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$summary" >> "$GITHUB_STEP_SUMMARY"
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  verdict=$("${AUDIT_PYTHON:-python3}" -c \
    'import json, sys; print(json.load(open(sys.argv[1]))["verdict"]["status"])' "$result" 2> /dev/null || echo error)
  echo "verdict=$verdict" >> "$GITHUB_OUTPUT"
fi
exit "$code"
