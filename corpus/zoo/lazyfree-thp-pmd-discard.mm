# Written again after MADV_FREE: the page is not free to go any more.
mmap p0 0 1 rw
write p0 0
lazyfree p0 0 1
write p0 0
reclaim p0 0
