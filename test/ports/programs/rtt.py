"""Round trips, and how late this machine is: `rtt.py ROUNDS NEAR FAR`. Started by tests, in a host's namespace.

Each round sleeps twice for 10 ms, pings NEAR once and then FAR once, each time waiting for the answer. Prints one line
of JSON per round, in microseconds: by how much both sleeps took longer than 20 ms, and the two round trips.
"""
import json
import sys
import time

from ping import Pinger

PATIENCE = 60


def nap():
    """Nanoseconds by which a sleep of 10 ms was late."""
    started = time.monotonic_ns()
    time.sleep(0.01)
    return time.monotonic_ns() - started - 10_000_000


def main(rounds, *addresses):
    pingers = [Pinger(each) for each in addresses]
    for each in pingers:
        each.once(PATIENCE)  # finds the neighbour
    for _ in range(rounds):
        late = nap() + nap()
        near, far = [each.once(PATIENCE) for each in pingers]
        print(json.dumps({name: time / 1000 for name, time in (('late', late), ('near', near), ('far', far))}))


main(int(sys.argv[1]), *sys.argv[2:4])
