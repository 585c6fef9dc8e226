# exec-stack-migration (a8bef8ff6ea1): the area has its new place, its entry not yet, and a walk looks at the new place.
threads 2
preempt 14 t0
mmap p0 0 1 rw
write p0 0
fork p0
setup p1 0 1 d0 to-dev
pages m0 skip=0x01
t1: mremap p0 0 1 8 1 fixed
finalize m0
