# uprobe-zeropage (bddf10d26e6e): the zero page that is replaced is counted down like a page (here: in copy-on-write).
mmap p0 0 1 rw
read p0 0
write p0 0
