# UFFDIO_UNREGISTER of a whole VMA succeeds if memory runs out for the merge with its neighbours: the
# VMA stays apart (userfaultfd_clear_vma). The model failed with ENOMEM.
mmap p0 2 5 rw
write p0 2
mprotect p0 5 1 none
fail avc 12
fork p0
mmap p1 3 1 none
uffd-register p0 0 3
mmap p0 1 1 rw
uffd-unregister p0 0 3
