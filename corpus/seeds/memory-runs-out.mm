# Processes mlock all their memory, each its own copy, until no frame is left. Then one munlocks,
# and its memory is paged out.
mmap p0 0 32 rw
mlock p0 0 32 on
fork p0
mlock p1 0 32 on
fork p1
mlock p2 0 32 on
fork p2
mlock p3 0 32 on
mlock p0 0 32 off
pageout p0 0 32
write p3 0
