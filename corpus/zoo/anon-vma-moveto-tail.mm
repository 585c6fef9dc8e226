# anon-vma-moveto-tail (108d6642ad81): entries move, without the anon_vma lock, into a VMA that a
# walk visits before their source.
# t1 moves the page back into the VMA that it came from. The walk of t0, which restores migration
# entries, has already passed that VMA, and misses the entry.
threads 2
preempt 24 t0
preempt 27 t1
mmap p0 0 2 rw
write p0 1
mremap p0 1 1 8 1 fixed
fork p0
setup p1 8 1 d0 to-dev
pages m0 skip=0x01
t1: mremap p0 8 1 1 1 fixed
finalize m0
