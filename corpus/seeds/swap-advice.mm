# madvise: page out, read ahead, let go, cool; a gap makes the call fail at its end.
mmap p0 0 4 rw
write p0 0
write p0 1
write p0 2
pageout p0 0 3
willneed p0 0 2
lazyfree p0 0 6
read p0 0
cold p0 0 4
pageout p0 0 4
read p0 1
