# vma-modify-after-oom (47b16d0462a4): the lower area cannot get the upper one's anon_vma, and is modified instead.
mmap p0 0 3 rw
mmap p0 1 1 none
write p0 2
fail avc 1
mprotect p0 1 1 rw
