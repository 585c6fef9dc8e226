# A migration is between setup and finalize on one thread. Other threads set the write protection of
# userfaultfd, and mprotect the pages in a process that shares them. Soft-dirty is cleared between
# the migration to the device and the one back.
threads 3
preempt 19 t1
preempt 29 t2
preempt 65 t2
preempt 74 t1
mmap p0 0 4 rw
uffd-register p0 0 4
write p0 0
write p0 1
fork p0
write p0 0
migrate p0 0 4 d0
t1: uffd-wp p0 0 4 on
t2: mprotect p1 0 4 r
write p0 0
t2: clear-soft-dirty p1
t1: uffd-wp p0 0 4 off
migrate-back p0 0 4 d0
t2: mprotect p1 0 4 rw
t1: uffd-wp p0 0 2 on
t2: write p1 1
write p0 1
