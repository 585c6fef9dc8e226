# A migration stays open between its phases while its pages are read and written. The CPU and the
# device wait for pages that migrate, and for no others.
mmap p0 0 6 rw
write p0 0
write p0 1
fork p0
write p0 1
setup p0 0 4 d0 to-dev
read p0 5 # not in the range
write p0 2 # fills a hole of the range before its turn
read p1 1 # p1's own copy
pages m0
read p0 3 # a hole that is filled on the device by now
read p1 0 # waits for the end
finalize m0
read p0 0
read p0 1
read p0 2
migrate p0 0 2 d0
setup p0 0 2 d0 to-sys
dev-read d0 p0 1 # waits too
pages m0
finalize m0
write p1 0
read p0 0
