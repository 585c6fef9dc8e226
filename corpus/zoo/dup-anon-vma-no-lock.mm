# dup-anon-vma-no-lock (d8ab9f7b644a): two tasks each give a VMA an anon_vma at the same time (here:
# two faults in anon_vma_prepare).
# Both threads write to the page, and one anon_vma replaces the other.
threads 2
preempt 0 t1
mmap p0 0 1 rw
write p0 0
t1: write p0 0
