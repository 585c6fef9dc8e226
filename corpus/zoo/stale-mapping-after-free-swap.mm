# A page that is exclusive and in the swap cache leaves it on its way to the device.
mmap p0 0 1 rw
write p0 0
reclaim p0 0
read p0 0
migrate p0 0 1 d0
