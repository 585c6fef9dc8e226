# pagemap is the last user of an address space. It reads the entries and frees the address space in
# the same slice.
geometry x86-64
threads 3
preempt 6 t1
preempt 95 t2
preempt 185 t2
mmap p7 0 4 rw
t1: mmap p1 5 4 rw
exclusive d0 p7 0 8
fork p0
t1: fork p1
t1: migrate-back p0 0 1 d0 skip=0x01
migrate p7 0 8 d0 skip=0x61
pagemap p0 0 8
t2: exit p0
t2: write p7 4
t1: read p2 31
