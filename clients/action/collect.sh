#!/bin/sh
# Ends all instances of the job, and gathers what they leave into one folder, the output `folder`: of each what it said and recorded,
# its topology with the seed, and the line that repeats the run.
set -eu
. "$(dirname "$0")/common.sh"
"$(dirname "$0")/stop.sh"

folder=$RUNNER_TEMP/etherloom-failure
rm -rf "$folder"
mkdir -p "$folder"
for run in "$runs"/*/; do
  [ -d "$run/kept" ] || continue
  name=$(basename "$run")
  cp -R "$run/kept" "$folder/$name"
  printf 'etherloom up topology.yaml\n' >"$folder/$name/repeat.sh"
  printf '%s: what is left of it is in the artifact. Again, with the same draws: etherloom up topology.yaml\n' "$name"
done
printf 'folder=%s\n' "$folder" >>"$GITHUB_OUTPUT"
