# deposit-zap-kept: the page table of a huge entry stays when the entry goes.
thp always
mmap p0 0 8 rw
read p0 0
dontneed p0 0 8
