# References without a lock: to a present page, to the zero page, to a shared page, and to a page on
# a device.
mmap p0 0 4 rw
write p0 0
pin-fast p0 0 w
read p0 1
get-fast p0 1 r
write p0 2
fork p0
pin-fast p0 2 r
get-fast p1 2 r
write p0 3
migrate p0 3 1 d0
pin-longterm p0 3 r
write p0 3
put r0
get-fast p0 0 w
read p0 1
pin-longterm p0 1 r
