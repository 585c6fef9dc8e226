# Copy-on-write next to references: a plain reference to a shared page makes the last process that maps it
# copy, whether it came home from the device with the reference's owner or before; a pin keeps its page.
mmap p0 0 4 rw
write p0 0
write p0 1
write p0 2
migrate p0 0 2 d0
fork p0
get p0 0 r
hold p1 2
munmap p0 0 3
write p1 0 # mapped once, but referred to twice
write p1 2
put r0
put r1
pin p1 0 w
migrate p1 0 4 d0
fork p1
write p2 0
write p1 0
put r0
write p1 1 # the sole owner, at home after this
