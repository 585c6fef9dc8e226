# Where an upper table is missing, the kernel offers only the first huge page of a hole to the
# device. The second migrate finds the upper table, so the kernel also offers the second huge page.
thp always
mmap p0 0 16 rw
migrate p0 0 16 d0
migrate p0 0 16 d0
read p0 9
