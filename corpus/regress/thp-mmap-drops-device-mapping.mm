# The boundary of a new VMA lies in the range of a huge page that has small entries by now. mmap
# invalidates all of that range, so the device loses page 9.
thp always
mmap p0 0 16 rw
exclusive d0 p0 0 10
mmap p0 8 1 none
dev-read d0 p0 9
