/**
 * The gateway's guardian: a small shell that applies what a gateway needs and undoes it when whoever started it is gone,
 * by `kill -9` too. Started by gateway.ts as `sh -c SCRIPT guardian TAP OUTSIDE SUBNET [DNSMASQ WORD...]`, in the network
 * namespace of the TAP and in a session of its own, so that a terminal's Ctrl-C does not reach it.
 *
 * Theory of operation. All that the kernel can undo is left to it: the table has the owner flag, so it ends with the
 * socket of the `nft -i` that made it, and that one ends with its standard input. The rest, forwarding and dnsmasq, is
 * undone by this shell once its standard input has ended.
 *
 * Forwarding is switched on for the two interfaces (conf/NAME/forwarding), not for the whole machine, and several
 * gateways, of any number of processes, may share one outside interface. What its setting was before the first of them
 * is noted where the kernel keeps it exactly as long as it is needed: in the names of their tables,
 * `etherloom/TAP/OUTSIDE/BEFORE`. Who starts takes the note from another gateway's table, else from the setting; who
 * ends, and finds no other table for that interface after its own is gone, sets it back. A lock on the namespace's file
 * keeps a start and an end apart; it needs no file of ours. Two that end at once either see each other's end or set back
 * the same.
 *
 * What it says: on standard output the listing of the table; on standard error why it could not; on descriptor 3
 * `forwarding` once that is on, and then what dnsmasq says, which ends when dnsmasq does.
 * What it is told: a line when the table has been seen, then nothing more; the end of the input is the end of the gateway.
 */
export const guardianScript = `
tap=$1 outside=$2 subnet=$3
shift 3
conf=/proc/sys/net/ipv4/conf

noted() {
  nft list tables ip | while read -r _ _ name; do
    case $name in etherloom/*/"$outside"/*) echo "\${name##*/}"; break ;; esac
  done
}

forward() {
  [ ! -e "$conf/$1" ] || [ "$(cat "$conf/$1/forwarding")" = "$2" ] || echo "$2" > "$conf/$1/forwarding"
}

rules() {
  # Where nothing was forwarded from the outside before, nothing but answers is now.
  from="iifname \\"$outside\\""
  [ "$before" = 0 ] || from="$from oifname \\"$tap\\""
  printf '%s; ' \\
    "add table ip $table { flags owner; }" \\
    "add chain ip $table postrouting { type nat hook postrouting priority srcnat; }" \\
    "add rule ip $table postrouting ip saddr $subnet oifname \\"$outside\\" masquerade" \\
    "add chain ip $table forward { type filter hook forward priority filter; }" \\
    "add rule ip $table forward iifname \\"$tap\\" oifname != \\"$outside\\" drop" \\
    "add rule ip $table forward $from ct state { established, related } accept" \\
    "add rule ip $table forward $from ct status dnat accept" \\
    "add rule ip $table forward $from drop"
  printf '\\nlist table ip %s\\n' "$table"
}

serve() {
  rules
  read -r _ || return
  forward "$tap" 1 && forward "$outside" 1 || return
  flock -u 9
  echo forwarding >&3
  if [ $# -gt 0 ]; then
    "$@" < /dev/null >&3 2>&3 3>&- 5<&- 9<&- &
  fi
  exec 3>&-
  cat > /dev/null
  [ $# -eq 0 ] || kill $! 2> /dev/null
  wait
}

trap '' HUP INT TERM
exec 5<&0 9< /proc/self/ns/net
flock 9
before=$(noted)
[ -n "$before" ] || before=$(cat "$conf/$outside/forwarding")
tapBefore=$(cat "$conf/$tap/forwarding")
table=etherloom/$tap/$outside/$before
serve "$@" <&5 | nft -i 3>&- 5<&- 9<&- &
exec 3>&- 5<&-
wait
flock 9
[ -n "$(noted)" ] || forward "$outside" "$before"
forward "$tap" "$tapBefore"
`
