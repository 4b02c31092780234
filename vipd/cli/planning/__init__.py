"""`vipctl plan`: the orders of the hosts, and the files that say so."""
