# mprotect changes the entries of a large folio at once. An entry that fork restored from a
# device-exclusive one is not young, and becomes young with its neighbour. The model changed each
# entry by itself. Found by 1,500 random programs with huge pages on Linux 7.3.4.
thp always
mmap p0 0 8 rw
exclusive d0 p0 0 1
fork p0
mprotect p0 0 2 none
