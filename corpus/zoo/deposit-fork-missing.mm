# deposit-fork-missing: the child's huge entry gets no page table of its own.
thp always
mmap p0 0 8 rw
write p0 0
fork p0
