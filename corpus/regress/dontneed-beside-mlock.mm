# mlock marks the VMA before it faults the pages in, so MADV_DONTNEED fails meanwhile. The reference
# model follows this.
geometry x86-64
threads 2
preempt 24 t1
t1: mmap p0 12 8 rw
write p0 16
fork p0
mlock p0 12 8 on
t1: dontneed p0 16 1
read p0 16
