# The driver declines one page of a huge hole. Linux 7.3.4 would dereference the missing
# destination, so the driver declines the whole hole.
thp always
mmap p0 0 16 rw
read p0 0
migrate p0 0 16 d0 skip=0x04
dev-read d0 p0 2
