# mremap-batch-writable (04d1c9d60c6e): a batch of entries moves with the write permission of its
# first entry.
# Page 0 is writable and a fork shares page 1. Both move in one batch, and page 1 arrives writable.
mmap p0 0 2 rw
write p0 0
write p0 1
fork p0
write p0 0
mremap p0 0 2 4 2 fixed
