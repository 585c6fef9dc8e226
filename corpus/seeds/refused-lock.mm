# A page does not migrate while a third party holds its folio lock, neither by address nor by
# eviction. A fault on the page waits. A third party that comes between the phases finds the folio
# locked.
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
read p0 0 # waits until the third party unlocks
fork p0
lock p0 0
write p2 0 # cannot check whether the page has one owner
setup p0 0 2 d0 to-dev
lock p0 1 # fails: the migration holds the lock
pages m0
finalize m0
read p1 0
