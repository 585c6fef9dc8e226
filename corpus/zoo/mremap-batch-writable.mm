# mremap-batch-writable (04d1c9d60c6e): a writable page moves together with one that two processes share.
mmap p0 0 2 rw
write p0 0
write p0 1
fork p0
write p0 0
mremap p0 0 2 4 2 fixed
