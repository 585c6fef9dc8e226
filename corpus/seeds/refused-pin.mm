# A pinned page does not migrate, and a fork does not share it: the child gets a copy, and the
# parent keeps the page that it pinned. A read-only pin of a shared page first makes a copy for the
# process that pins.
mmap p0 0 4 rw
write p0 0
write p0 1
pin p0 0 w
migrate p0 0 4 d0
fork p0
write p0 0
read p1 0
write p1 0
pin p1 1 r # a shared page on the device
migrate p1 0 2 d1
write p0 1
read p1 1
clear-soft-dirty p0
put r0
migrate p0 0 4 d0
munmap p1 1 1
put r1
read p0 0
