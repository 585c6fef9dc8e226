# Several migrations are open at a time: of the same range (the second finds the pages locked), to
# the other device, and of another process. An eviction comes in between.
mmap p0 0 8 rw
write p0 0
write p0 1
write p0 2
migrate p0 2 1 d0
fork p0
setup p0 0 4 d0 to-dev
setup p0 0 8 d1 to-dev
setup p1 0 4 d0 to-sys
setup p1 4 4 d0 to-dev
evict d0 0 32
pages m1
finalize m1
pages m2
finalize m0 # runs the next phase, which is pages
pages m0
finalize m2
finalize m3
finalize m3
evict d1 0 32
read p0 0
read p1 2
read p0 3
