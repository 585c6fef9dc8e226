# A write to a page of another process, or to the zero page, is preempted before it takes the
# page-table lock. The judge's driver could not stop a task there, because the kernel is in an RCU
# read-side section, in which it does not preempt.
threads 2
preempt 1 t0
mmap p0 0 1 rw
read p0 0
t1: write p0 0
mmap p0 0 1 none
