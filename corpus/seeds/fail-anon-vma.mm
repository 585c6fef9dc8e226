# The allocation of an anon_vma fails: for the first write to a VMA, for the copy of a zero page,
# and for the child of a fork, once at its second VMA and once at its first. A fault is retried. The
# fork fails.
mmap p0 0 4 rw
fail anon-vma 1
write p0 0
fail anon-vma 1
migrate p0 0 2 d0 # both pages move: the VMA has an anon_vma
mmap p0 8 4 rw
read p0 8
fail anon-vma 1
write p0 8
fail anon-vma 1
dev-write d0 p0 8 # succeeds: the VMA has an anon_vma
write p0 8
migrate p0 8 2 d0
fail anon-vma 2
fork p0
fork p0
fail anon-vma 1
fork p1
write p1 8
read p0 8
read p0 1
