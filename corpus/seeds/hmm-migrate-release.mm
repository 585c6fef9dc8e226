# hmm-tests migrate_release: the driver evicts all its pages. The CPU's data are intact, and so are
# those of a child that shares them.
mmap p0 0 6 rw
write p0 0
write p0 1
write p0 2
migrate p0 0 6 d0 # three pages and three holes
fork p0
evict d0 0 32
read p0 0
read p0 1
read p0 5
read p1 0
read p1 2
write p1 2
read p0 2
evict d0 0 32 # nothing is left
