# dup-anon-vma-no-lock (d8ab9f7b644a): two faults at the same time each give the area an anon_vma.
threads 2
preempt 0 t1
mmap p0 0 1 rw
write p0 0
t1: write p0 0
