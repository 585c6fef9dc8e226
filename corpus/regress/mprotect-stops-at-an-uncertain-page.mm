# A mapping that ran out of memory leaves a page that may not be mapped; mprotect may stop there.
mmap p0 5 8 rw
fail vma 1
mmap p0 2 8 rw
mprotect p0 2 8 r
write p0 7
write p0 12
