# mlock reads the page in and gives its slot up. On 6.12 a batch on its way to the LRU has a reference then, so the
# page is not taken for exclusive; newer kernels ask before they give the slot up. The judge found this.
mmap p0 2 1 rw
exclusive d0 p0 2 1
fork p0
exit p0
reclaim p0 2
mprotect p0 2 1 r
mlock p0 2 1 on
