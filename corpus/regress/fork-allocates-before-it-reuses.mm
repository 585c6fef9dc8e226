# Since 7.2, fork allocates an anon_vma before it sees that the child can reuse one. So this fork
# fails if the allocation fails.
mmap p0 0 3 rw
write p0 1
fork p0
fork p1
exit p0
exit p0
mmap p0 1 1 none
migrate p0 0 1 d0
fail anon-vma 1
fork p0
