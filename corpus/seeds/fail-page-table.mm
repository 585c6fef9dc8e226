# The allocation of a page table fails: for the faults of the CPU, for a fault of the device, and
# for the child of a fork, whose parent has pages in several tables and on the device. A CPU fault
# is retried. The others fail.
mmap p0 0 32 rw
fail page-table 1
read p0 0
fail page-table 2
migrate p0 0 1 d0
read p0 0
write p0 0
write p0 9
migrate p0 9 1 d0
write p0 17
fail page-table 1
dev-read d0 p0 25
fail page-table 1
fork p0
fail page-table 4
fork p0
fail page-table 5
fork p0
read p0 9
write p0 17
fork p0
read p1 17
