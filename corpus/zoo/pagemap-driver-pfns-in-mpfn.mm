# pagemap-driver-pfns-in-mpfn (1f1be4ba643f): the driver leaves destinations in the array for pages whose migration was refused.
mmap p0 0 7 rw
write p0 6
setup p0 6 1 d0 to-sys
pages m0
pin p0 0 w
