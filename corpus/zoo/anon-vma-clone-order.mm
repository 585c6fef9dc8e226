# anon-vma-clone-order (merge 64a8920fab96): the chain of a child's area is cloned when the area is split.
mmap p0 0 2 rw
write p0 0
fork p0
munmap p1 0 1
