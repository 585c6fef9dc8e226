# Reclaim meets an entry that mprotect has taken the access from, and whose flush mprotect still owes (pte_accessible).
threads 2
preempt 4 t0
mmap p0 0 1 rw
write p0 0
t1: mprotect p0 0 1 none
reclaim p0 0
