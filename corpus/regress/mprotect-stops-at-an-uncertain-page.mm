# An mmap that ran out of memory leaves a page of which the reference model cannot tell whether it
# is mapped. mprotect may stop there.
mmap p0 5 8 rw
fail vma 1
mmap p0 2 8 rw
mprotect p0 2 8 r
write p0 7
write p0 12
