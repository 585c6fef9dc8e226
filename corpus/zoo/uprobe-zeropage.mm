# uprobe-zeropage (bddf10d26e6e): replacing the zero page uncounts it like a normal page (here: in
# copy-on-write).
# The write replaces the zero page that the read mapped.
mmap p0 0 1 rw
read p0 0
write p0 0
