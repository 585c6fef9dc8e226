# A pinned page does not migrate and is not shared by a fork: the child gets a copy, the parent keeps
# the page that it pinned. A pin for reading of a shared page makes it the pinner's own first.
mmap p0 0 4 rw
write p0 0
write p0 1
pin p0 0 w
migrate p0 0 4 d0
fork p0
write p0 0
read p1 0
write p1 0
pin p1 1 r # on the device, shared
migrate p1 0 2 d1
write p0 1
read p1 1
clear-soft-dirty p0
put r0
migrate p0 0 4 d0
munmap p1 1 1
put r1
read p0 0
