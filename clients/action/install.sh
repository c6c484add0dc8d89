#!/bin/sh
# Installs etherloom for the job, and puts its command in the path: $ETHERLOOM_VERSION from npm, or a file of a package. An empty
# version leaves the one that is there.
set -eu
. "$(dirname "$0")/common.sh"

if [ -z "${ETHERLOOM_VERSION:-}" ]; then
  command -v etherloom >/dev/null || fail "there is no command etherloom; give the action a 'version', or install it before"
  exit 0
fi
command -v npm >/dev/null || fail 'there is no npm; use actions/setup-node before, with Node.js 20 or later'

case $ETHERLOOM_VERSION in
  *.tgz) package=$(realpath -- "$ETHERLOOM_VERSION") ;;
  *[!0-9A-Za-z.^~+-]* | -*) fail "'version' must be one of npm, as 0.1.0 or latest, or the file of a package, as etherloom-0.1.0.tgz" ;;
  *) package=etherloom@$ETHERLOOM_VERSION ;;
esac
npm install --global --prefix "$RUNNER_TEMP/etherloom" --no-audit --no-fund "$package" ||
  fail "cannot install $package; the lines above say why"
printf '%s\n' "$RUNNER_TEMP/etherloom/bin" >>"$GITHUB_PATH"
