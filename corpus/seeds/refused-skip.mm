# The driver skips some pages of a migration: data pages, the zero page and holes, both ways, in one
# go and between the phases.
mmap p0 0 12 rw
write p0 0
write p0 1
write p0 2
read p0 3
read p0 4
migrate p0 0 8 d0 skip=0x4a
read p0 1
read p0 3
fork p0
migrate p0 0 8 d0 skip=0xff
migrate-back p1 0 8 d0 skip=0x05
setup p0 0 8 d1 to-dev
pages m0 skip=0x13
finalize m0
read p0 0
read p1 2
dev-read d1 p0 6
migrate p0 4 8 d1 skip=0xf0
