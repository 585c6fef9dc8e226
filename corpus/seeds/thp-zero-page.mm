# The huge zero page: a write replaces it by a huge page or, if there is none, splits it. It is split
# by a change of a part, and by a migration, which fills its pages on the device.
thp always
mmap p0 0 32 rw
read p0 3
write p0 4
read p0 3
read p0 8
fail page 1
write p0 9
read p0 10
read p0 16
mprotect p0 18 2 r
write p0 20
read p0 24
migrate p0 24 8 d0
dev-write d0 p0 26
read p0 26
read p0 31
