# A page that a third party has locked does not migrate: not by address, by eviction, nor as a destination;
# a fault on it waits; and a lock that comes between the phases does not find the page unlocked.
mmap p0 0 4 rw
write p0 0
write p0 1
lock p0 0
migrate p0 0 2 d0
unlock l0
migrate p0 0 2 d0
fork p0
lock p0 0
evict d0 0 32
migrate-back p1 0 2 d0
dev-read d0 p0 0
unlock l0
lock p1 0
read p0 0 # waits until the third party lets go
fork p0
lock p0 0
write p2 0 # cannot tell that it is the sole owner
setup p0 0 2 d0 to-dev
lock p0 1 # fails: the migration has it
pages m0
finalize m0
read p1 0
