# The write protection of userfaultfd migrates with its page: to the device, and back by a fault, by
# the driver and by eviction. It is set and cleared on device-private entries. A fork's child does
# not inherit it. A write of the device goes to userfaultfd, too.
mmap p0 0 6 rw
uffd-register p0 0 6
write p0 0
write p0 1
write p0 2
read p0 3
uffd-wp p0 0 2 on
migrate p0 0 3 d0
write p0 0 # goes to userfaultfd
read p0 0
migrate-back p0 1 1 d0
write p0 1
migrate p0 0 3 d0
uffd-wp p0 2 1 on
dev-write d0 p0 2
dev-write d1 p0 2
evict d0 0 32
write p0 2
fork p0
write p1 2
migrate p0 0 3 d0
uffd-wp p0 0 6 off
write p0 0
dev-write d0 p0 1
uffd-wp p0 0 6 on
uffd-unregister p0 0 3
write p0 2
write p0 3
uffd-wp p0 0 6 on # part of it is not registered
