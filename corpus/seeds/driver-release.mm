# The device is removed while three processes map its pages. All pages migrate to system memory, and
# the device's memory starts out empty again. A page that somebody holds migrates at the second
# attempt.
mmap p0 0 4 rw
write p0 0
write p0 1
migrate p0 0 3 d0
fork p0
fork p1
dev-write d0 p1 1
hold p0 0
release d0
put r0
release d0
read p2 0
migrate p0 0 3 d0
release d1
read p1 2
