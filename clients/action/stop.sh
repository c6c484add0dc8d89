#!/bin/sh
# Ends what start.sh has started: all instances of the job, or the one of the name given. What they recorded is whole then.
set -eu
. "$(dirname "$0")/common.sh"

for run in "$runs"/${1:-*}/; do
  [ -f "$run/process" ] || continue
  end "$(cat "$run/process")"
  # A capture ends with its instance.
  if [ -f "$run/captures" ]; then
    while read -r capture; do
      await "$capture" 10 || end "$capture"
    done <"$run/captures"
  fi
  rm -f "$run/process" "$run/captures"
done
