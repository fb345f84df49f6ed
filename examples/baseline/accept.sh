#!/usr/bin/env bash
# Accept what is known of DATA, once; from then on the audit fails only for what is new: accept.sh DATA
set -euo pipefail

audit run "$1" --fail-on never -q -o known.json
audit baseline write known.json -o baseline.yaml \
  --reason "known before the migration, ticket 418" --author ada --expires 2030-01-31
audit run "$1" --baseline baseline.yaml -q
audit baseline show baseline.yaml
