# Huge pages are split: on request, and by the shrinker of the queue of deferred splits, which splits
# those that are mapped in part, and those of which most pages have only zeroes. Somebody who holds a
# page, or its lock, prevents the split.
thp always
mmap p0 0 32 rw
write p0 1
pin p0 1 r
split p0 0 8
put r0
split p0 0 8
write p0 9
mlock p0 16 8 on
write p0 17
dontneed p0 12 2
lock p0 9
split-queue off
unlock l0
split-queue off
split-queue on
mlock p0 16 8 off
split-queue on
write p0 25
write p0 26
write p0 27
write p0 28
split-queue on
fork p0
munmap p1 24 4
munmap p0 24 2
split-queue on
reclaim p0 29
read p0 29
split p0 24 8
