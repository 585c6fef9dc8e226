# A page may be read at the destination while mremap is under way. The reference model allows this.
threads 4
preempt 10 t1
t3: mmap p0 12 6 rw
t2: write p0 17
t3: mremap p0 17 1 12 1 fixed
t1: read p0 12
