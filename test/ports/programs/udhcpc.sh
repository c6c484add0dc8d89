#!/bin/sh
# What udhcpc (busybox) calls with its lease: sets the interface up as told, in its own namespace only, and says what it
# was told. Unlike the script that comes with udhcpc, it leaves /etc/resolv.conf alone.
case $1 in
bound)
  ip address add "$ip/$mask" dev "$interface"
  ip route add default via "$router"
  echo "$ip/$mask via $router, names from $dns"
  ;;
esac
