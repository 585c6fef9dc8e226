# mremap-vs-migration-removal (486cf46f3f9b): the copy is there, then the walk looks at it, then the entry moves there.
threads 2
preempt 16 t0
preempt 19 t1
mmap p0 0 1 rw
write p0 0
fork p0
setup p1 0 1 d0 to-dev
pages m0 skip=0x01
t1: mremap p0 0 1 8 1 fixed
finalize m0
