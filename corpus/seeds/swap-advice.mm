# madvise pages out, reads ahead, frees lazily and marks pages cold. MADV_FREE of a range with a gap
# fails, after it has done its work.
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
