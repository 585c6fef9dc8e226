# No anon_vma: for the first write, for a hole that goes to the device, for a copy of the zero page, and
# for the child of a fork, in the middle of its chain.
mmap p0 0 4 rw
fail anon-vma 1
write p0 0
fail anon-vma 1
migrate p0 0 2 d0
read p0 0
fail anon-vma 1
dev-write d0 p0 0
write p0 0
migrate p0 0 2 d0
fail anon-vma 1
fork p0
fork p0
fail anon-vma 1
fork p1
write p1 0
read p0 0
read p0 1
