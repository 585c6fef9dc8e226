# pagemap-driver-pfns-in-mpfn (1f1be4ba643f): the driver leaves destinations in the array for pages
# that must not migrate.
# Page 6 is not on the device, so it may not migrate back. Its destination is freed, then reused for
# page 0, which the process pins, and then freed a second time.
mmap p0 0 7 rw
write p0 6
setup p0 6 1 d0 to-sys
pages m0
pin p0 0 w
