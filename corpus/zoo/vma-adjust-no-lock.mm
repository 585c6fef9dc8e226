# vma-adjust-no-lock: a split puts the parent's area behind the child's in the tree while a walk is between the two.
threads 2
preempt 15 t1
mmap p0 0 4 rw
write p0 3
fork p0
setup p1 3 1 d0 to-dev
pages m0 skip=0x01
finalize m0
t1: munmap p0 0 1
