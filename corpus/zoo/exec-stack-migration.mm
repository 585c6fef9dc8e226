# exec-stack-migration (a8bef8ff6ea1): a VMA changes its address before its entries move, so a walk
# misses them (here: mremap of a whole VMA).
# t1 has moved the VMA and not yet its entry. The walk of t0 looks for the migration entry at the
# new address.
threads 2
preempt 14 t0
mmap p0 0 1 rw
write p0 0
fork p0
setup p1 0 1 d0 to-dev
pages m0 skip=0x01
t1: mremap p0 0 1 8 1 fixed
finalize m0
