# shellcheck shell=sh
# What the scripts of the action share.

# Where instances leave what they say and record, a folder each; for the scripts that read this file.
# shellcheck disable=SC2034
runs=${RUNNER_TEMP:?is the folder for temporary files of a job}/etherloom-runs

# fail MESSAGE: ends the step with an error that GitHub shows at the top of the run.
fail() {
  printf '::error title=etherloom::%s\n' "$(printf '%s' "$1" | sed 's/%/%25/g; s/\r/%0D/g' | sed ':a; N; $!ba; s/\n/%0A/g')"
  exit 1
}

# runs_still PROCESS: whether it is there and has not ended; who has ended and was not waited for is a zombie.
runs_still() {
  kill -0 "$1" 2>/dev/null && ! grep --quiet '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# await PROCESS SECONDS: waits until it has ended, at most so long.
await() {
  left=$(($2 * 10))
  while runs_still "$1"; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 0.1
  done
}

# end PROCESS: ends it in order, and where that takes longer than 10 s, with all that it has started.
end() {
  kill -s TERM "$1" 2>/dev/null || true
  await "$1" 10 && return
  kill -s KILL -- "-$1" 2>/dev/null || true
  await "$1" 10 || true
}
