# Copy-on-write of pages that somebody references. The last process that maps a shared page copies
# the page if a plain reference to it is left. `get` brought page 0 back from the device; page 2
# never left system memory. A pinned page stays with the process that pinned it.
mmap p0 0 4 rw
write p0 0
write p0 1
write p0 2
migrate p0 0 2 d0
fork p0
get p0 0 r
hold p1 2
munmap p0 0 3
write p1 0 # mapped once, with one more reference
write p1 2
put r0
put r1
pin p1 0 w
migrate p1 0 4 d0
fork p1
write p2 0
write p1 0
put r0
write p1 1 # brings the page back, and copies it
