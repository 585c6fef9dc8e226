# A page that was read back from swap moves within memory: its slot, which nobody else has any more, moves with it.
mmap p0 0 3 rw
write p0 0
write p0 1
pageout p0 0 1
read p0 0
compact p0 0
pageout p0 0 3
