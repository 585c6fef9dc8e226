# The allocation of an address space fails for a fork, first while a page is on the device. A later
# fork succeeds, after it has waited for the open migration to end. The next fork fails.
mmap p0 0 4 rw
write p0 0
write p0 1
migrate p0 0 1 d0
fail mm 1
fork p0
read p0 0
migrate p0 0 1 d0
setup p0 0 2 d0 to-sys
fail mm 2
fork p0
fork p0
write p1 0
read p0 0
