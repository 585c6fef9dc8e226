# The allocation of a VMA fails: for an mmap over a part of another VMA, for the splits of munmap,
# mprotect and userfaultfd, with pages on the device, and for a fork.
mmap p0 0 12 rw
write p0 4
write p0 5
migrate p0 4 2 d0
fail vma 1
munmap p0 4 1
fail vma 2
mprotect p0 4 1 r # one of two splits
read p0 4
fail vma 2
mmap p0 5 1 r
uffd-register p0 0 6
fail vma 1
uffd-register p0 6 2
fail vma 1
munmap p0 2 1
munmap p0 6 1
fail vma 2
fork p0
read p0 5
migrate p0 0 6 d0
fail vma 1
uffd-unregister p0 1 2
write p0 5
