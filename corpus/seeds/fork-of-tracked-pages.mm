# A fork of soft-dirty pages and of pages that userfaultfd write-protects, with each form of entry:
# present, the zero page, device-private, and migration (when the child forks). The children of
# these forks are not registered.
mmap p0 0 6 rw
uffd-register p0 0 6
write p0 0
write p0 1
write p0 2
read p0 3
fork p0
uffd-register p1 0 6
uffd-wp p0 0 6 on
uffd-wp p1 0 6 on
migrate p0 1 1 d0
fork p0
write p2 0
write p2 1
write p2 3
setup p0 2 1 d0 to-dev
fork p1
pages m0
finalize m0
write p3 2
write p1 1 # goes to userfaultfd
uffd-unregister p1 0 6
write p1 1
