# hmm-tests hmm_cow_in_device: a fork shares pages on the device, the parent writes, and the child
# exits. The parent has its own copies.
mmap p0 6 4 rw
write p0 6
write p0 7
write p0 8
migrate p0 6 4 d0
fork p0
write p0 6
write p0 7
write p0 9 # a hole when it migrated
exit p1
snapshot d0 p0 6 4
read p0 6
read p0 8
write p0 8
