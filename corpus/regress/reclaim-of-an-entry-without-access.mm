# Reclaim finds an entry from which mprotect has taken all access and for which mprotect still owes
# the flush (pte_accessible).
threads 2
preempt 4 t0
mmap p0 0 1 rw
write p0 0
t1: mprotect p0 0 1 none
reclaim p0 0
