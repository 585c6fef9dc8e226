# MADV_DONTNEED removes a migration entry between setup and finalize of a migration on another
# thread. Later, munmap in the other process removes the last entry of a page while an eviction is
# under way.
geometry x86-64
threads 2
preempt 24 t1
preempt 85 t1
mmap p0 12 8 rw
write p0 12
write p0 16
fork p0
migrate p0 12 8 d0
t1: dontneed p0 16 1
t1: munmap p1 12 2
t1: munmap p0 18 2
read p0 16
evict d0 0 32
t1: munmap p1 12 8
read p0 12
