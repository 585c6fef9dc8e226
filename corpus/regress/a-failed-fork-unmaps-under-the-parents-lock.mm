# fork finds a locked page that a device uses exclusively, fails, and unmaps the child's VMA. Linux
# does that while it still holds mmap_lock of the parent (since 7.0), so mmap waits. The model once
# let mmap run there.
geometry x86-64
threads 2
preempt 12 t0
mmap p0 0 1 rw
exclusive d0 p0 0 1
lock p0 0
t1: fork p0
mmap p0 0 1 none
