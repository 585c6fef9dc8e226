# A page that four processes map in system memory migrates to the device. The rmap walk finds the
# entries of the other three processes, also where a VMA was split or partly unmapped.
geometry x86-64
mmap p0 14 4 rw
write p0 15
write p0 16
fork p0
fork p1
fork p2
mprotect p1 15 1 r
munmap p2 14 1
migrate p0 14 4 d0
snapshot d0 p3 14 4
dev-read d0 p3 15
migrate-back p1 15 1 d0
read p0 15
read p2 16
read p3 16
write p2 16
write p3 15
read p0 16
