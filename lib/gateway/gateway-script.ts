/**
 * The gateway's guardian: a small shell that sets up what a gateway needs and undoes it when whoever started it asks for it
 * or is gone, by `kill -9` too. Run by gateway.ts as a Guardian with the words TAP OUTSIDE SUBNET PREFIX [DNSMASQ WORD...],
 * in the network namespace of the TAP; PREFIX stands before nft, and both that and dnsmasq are killed with this shell.
 *
 * Theory of operation. Whoever of us is killed, and if it is all of us at once: nothing may be forwarded that was not
 * forwarded before. So what opens dies with a process, and what closes stays.
 *
 * - The guard, a table that nobody owns, stands before forwarding is switched on and goes after it is off again. It only
 *   drops: what comes from the outside and answers nothing; what leaves for the outside and was not translated; what
 *   leaves the TAP for anywhere else. It names interfaces by number, so that a new name does not open them.
 * - The translation, a table with the owner flag, goes with the socket of the `nft -i` that made it. Without it nothing of
 *   the fabric leaves, for it is not translated.
 * - Forwarding is switched on for the two interfaces (conf/NAME/forwarding), not for the whole machine, and several
 *   gateways, of any number of processes, may share one outside interface. What both settings were before is noted in the
 *   name of the guard, `etherloom-guard/TAP/OUTSIDE/ID/NUMBER/BEFORE/TAPNUMBER/TAPBEFORE`; the translation of the same
 *   gateway is `etherloom/TAP/OUTSIDE/ID`. Who starts takes the note from another gateway's guard, else from the setting.
 *
 * A guard without its translation is an orphan, and whoever comes by undoes it: the guardian at its end (its own is one
 * then), the next gateway that starts, we when our guardian was killed, `etherloom doctor --mend`. A lock keeps a
 * start and an end apart, on a file of the kernel that each network namespace has and that only its root may open: no other
 * user can hold it, as they could the namespace's own. It is another file through another /proc: containers that share a
 * network namespace are not kept apart.
 *
 * What it says: on standard output what nft says; on standard error why it could not; on descriptor 3 `guarded` and the
 * gateway's words TAP/OUTSIDE/ID, then `forwarding`, and then what dnsmasq says, which ends when dnsmasq does.
 * What it is told: on descriptor 4, what nft reads, the translation; a line when that stands, then nothing more. The end of
 * the input is the end of the gateway.
 */

const tools = `
conf=/proc/sys/net/ipv4/conf
end='
'

lock() {
  exec 9< /proc/sys/net/ipv4/tcp_fastopen_key || exit
  flock -w 10 9 || { echo 'another gateway is being set up or undone, and does not go on' >&2; exit 1; }
}

# NUMBER VALUE: sets forwarding of an interface, whatever its name is now, if it is there.
forward() {
  name=$(ip -o link show | while read -r number name _; do [ "$number" != "$1:" ] || echo "\${name%:}"; done)
  name=\${name%%@*}
  [ -z "$name" ] || [ "$(cat "$conf/$name/forwarding")" = "$2" ] || echo "$2" > "$conf/$name/forwarding"
}

# TAP/OUTSIDE/ID: whether its translation stands, as far as is known.
stands() { case $tables in *" etherloom/$1$end"*) ;; *) return 1 ;; esac; }

# The guards of gateways that stand, or with 'orphans' of those that do not.
guards() {
  tables=$(nft list tables ip)$end
  for guard in $tables; do
    case $guard in etherloom-guard/*) ;; *) continue ;; esac
    id=\${guard#*/} id=\${id%/*/*/*/*}
    if stands "$id"; then [ "$1" = orphans ] || echo "$guard"; else [ "$1" != orphans ] || echo "$guard"; fi
  done
}

# NUMBER: what the outside's setting was before the gateways that stand there.
noted() {
  for guard in $(guards); do
    rest=\${guard#*/*/*/*/}
    case $rest in "$1"/*) rest=\${rest#*/}; echo "\${rest%%/*}"; break ;; esac
  done
}

mend() ( # apart, for its names are those of others too
  for guard in $(guards orphans); do
    rest=\${guard#*/*/*/*/}
    outside=\${rest%%/*} rest=\${rest#*/}
    before=\${rest%%/*} rest=\${rest#*/}
    [ -n "$(noted "$outside")" ] || forward "$outside" "$before"
    forward "\${rest%/*}" "\${rest#*/}"
    nft delete table ip "$guard"
  done
)
`

export const gatewayScript = `${tools}
tap=$1 outside=$2 subnet=$3 prefix=$4
shift 4

number() { ip -o link show dev "$1" | while read -r number _; do echo "\${number%:}"; done; }

guard() {
  # Where nothing was forwarded from the outside before, nothing but answers is now.
  from="iif $outsideNumber"
  [ "$outsideBefore" = 0 ] || from="$from oif $tapNumber"
  printf '%s; ' \\
    "add table ip $1 { comment \\"nothing but a gateway of etherloom passes here; 'etherloom doctor' says whether it is left over\\"; }" \\
    "add chain ip $1 forward { type filter hook forward priority filter; }" \\
    "add rule ip $1 forward iif $tapNumber oif != $outsideNumber drop" \\
    "add rule ip $1 forward $from ct state { established, related } accept" \\
    "add rule ip $1 forward $from oif != $outsideNumber ct status dnat accept" \\
    "add rule ip $1 forward $from drop" \\
    "add chain ip $1 untranslated { type filter hook postrouting priority srcnat + 1; }" \\
    "add rule ip $1 untranslated oif $outsideNumber ip saddr $subnet drop"
}

trap '' HUP INT PIPE TERM # PIPE: who listened may be gone
lock
mend
outsideNumber=$(number "$outside") tapNumber=$(number "$tap")
outsideBefore=$(noted "$outsideNumber")
[ -n "$outsideBefore" ] || outsideBefore=$(cat "$conf/$outside/forwarding")
tapBefore=$(cat "$conf/$tap/forwarding")
id=$tap/$outside/$$
nft "$(guard "etherloom-guard/$id/$outsideNumber/$outsideBefore/$tapNumber/$tapBefore")" || exit
$prefix nft -i <&4 3>&- 4<&- 9<&- &
pids=$!
exec > /dev/null 4<&-
echo "guarded $id" >&3
if read -r _ && forward "$tapNumber" 1 && forward "$outsideNumber" 1; then
  flock -u 9
  echo forwarding >&3
  if [ $# -gt 0 ]; then
    "$@" < /dev/null >&3 2>&3 3>&- 9<&- &
    pids="$pids $!"
  fi
  exec 3>&-
  while read -r _; do :; done
fi
kill -KILL $pids 2> /dev/null
wait
lock
mend
`

/** What nft is told: the translation of the gateway with these words, as the guardian says them. */
export const translation = (id: string, subnet: string, outside: string): string => {
  const table = `ip etherloom/${id}`
  const rules = [
    `add table ${table} { flags owner; }`,
    `add chain ${table} postrouting { type nat hook postrouting priority srcnat; }`,
    `add rule ${table} postrouting ip saddr ${subnet} oif "${outside}" masquerade`,
  ]
  return `${rules.join('; ')}\nlist table ${table}\n`
}

/** Undoes what killed gateways have left; with the words TAP/OUTSIDE/ID of one, once its nft has gone, which was killed. */
export const mendScript = `${tools}
lock
if [ $# -gt 0 ]; then
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    tables=$(nft list tables ip)$end
    stands "$1" || break
    sleep 0.1
  done
fi
mend
`

/** Says which guards are left of killed gateways, a line each. */
export const orphansScript = `${tools}
lock
guards orphans
`
