#!/bin/sh
# Starts the topology $ETHERLOOM_FILE in the background, waits until it is up, and begins the captures. The runner ends all of it
# with the job.
set -eu
. "$(dirname "$0")/common.sh"

file=${ETHERLOOM_FILE:?is the topology file}
[ -f "$file" ] || fail "there is no file $file in $PWD; 'file' is looked for in the workspace, so check it out before"
name=${ETHERLOOM_NAME:-$(basename -- "$file" | sed 's/\.[^.]*$//; s/[^A-Za-z0-9_-][^A-Za-z0-9_-]*/-/g')}
case $name in
  *[!A-Za-z0-9_-]* | '' | -*) fail "'name' has letters, digits, _ and -, and does not begin with -" ;;
esac
timeout=${ETHERLOOM_TIMEOUT:-60}
case $timeout in
  *[!0-9]* | '') fail "'timeout' must be a whole number of seconds, not '$timeout'" ;;
esac
case ${ETHERLOOM_ROOTLESS:-false} in
  true) rootless=--rootless ;;
  false) rootless= ;;
  *) fail "'rootless' must be true or false, not '$ETHERLOOM_ROOTLESS'" ;;
esac

run=$runs/$name
[ ! -e "$run" ] || fail "an instance '$name' was started before in this job; choose another 'name'"
mkdir -p "$run/kept"
log=$run/kept/output.txt
: >"$log" # it is looked into before the background has opened it

# In a session of its own, so that no end of a step reaches it. $rootless is one word or none.
# shellcheck disable=SC2086
setsid etherloom up --name "$name" $rootless -- "$file" >"$log" 2>&1 </dev/null &
process=$!
printf '%s\n' "$process" >"$run/process"

# give_up WHY: ends what was begun, and says what the instance said.
give_up() {
  end "$process"
  said=$(cat "$log")
  rm -rf "$run"
  hint=
  if [ "$rootless" ] && [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)" = 1 ]; then
    hint='
This machine lets users make no namespaces: sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0'
  fi
  fail "$file did not come up: $1, and said:
${said:-(nothing)}$hint"
}

left=$((timeout * 10))
until grep --quiet "^$name: up with " "$log"; do
  if ! runs_still "$process"; then
    status=0
    wait "$process" || status=$?
    give_up "it ended with $status"
  fi
  [ "$left" -gt 0 ] || give_up "it was not up within $timeout s"
  left=$((left - 1))
  sleep 0.1
done

etherloom show info --json --name "$name" >"$run/kept/info.json"
seed=$(sed -n 's/.*"seed":"\([0-9]*\)".*/\1/p' "$run/kept/info.json")
{
  etherloom show topology --name "$name" | sed '/^seed:/d'
  printf 'seed: %s\n' "$seed"
} >"$run/kept/topology.yaml"

# Each capture says in its file that it has begun.
number=0
while IFS= read -r what; do
  what=$(printf '%s' "$what" | tr -d ' \t\r')
  [ "$what" ] || continue
  number=$((number + 1))
  case $what in
    -*) give_up "'captures' names ports and paths, not '$what'" ;;
    *'>'*) fates=--fates kind=fates.pcapng ;;
    *) fates='' kind=pcapng ;;
  esac
  target=$run/kept/$(printf '%s' "$what" | sed 's/[^A-Za-z0-9._-]/-/g').$kind
  # shellcheck disable=SC2086
  setsid etherloom capture "$what" $fates --name "$name" --write "$target" >"$run/capture-$number" 2>&1 </dev/null &
  capture=$!
  printf '%s\n' "$capture" >>"$run/captures"
  left=300
  until [ -s "$target" ]; do
    runs_still "$capture" || give_up "'$what' cannot be recorded: $(cat "$run/capture-$number")"
    [ "$left" -gt 0 ] || give_up "'$what' was not recorded within 30 s"
    left=$((left - 1))
    sleep 0.1
  done
done <<END
${ETHERLOOM_CAPTURES:-}
END

printf 'name=%s\nseed=%s\n' "$name" "$seed" >>"$GITHUB_OUTPUT"
printf '%s is up, with seed %s\n' "$name" "$seed"
