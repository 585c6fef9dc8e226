# munmap has detached a VMA, and is preempted before it zaps the page table. MADV_DONTNEED then
# finds no VMA there, and the page keeps its contents.
geometry x86-64
threads 4
preempt 6 t3
preempt 7 t1
mmap p0 15 3 rw
fork p0
t1: dev-write d0 p0 15
t1: read p0 2
dev-read d1 p0 15
t1: dontneed p0 15 4
t1: mprotect p7 15 1 none
t1: read p0 15
t1: write p1 16
t3: munmap p0 15 1
