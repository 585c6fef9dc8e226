# A fault retries because of a reference. The reference is dropped before the retries are used up.
# The count of retries then starts again.
geometry x86-64
threads 2
preempt 233 t1
mmap p0 0 1 r
migrate p0 0 1 d0
fork p0
hold p0 0
pin p0 0 r
t1: put r0
