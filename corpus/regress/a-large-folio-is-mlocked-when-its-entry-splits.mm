# A large folio never stays in a batch of the LRU, so its mlock count is right as soon as it is
# mapped. The model restarted the count after the folio had migrated back from the device, and the
# split of the huge entry then cleared the flag. Found by 20,000 random programs with huge pages on
# Linux 7.3.4.
thp always
mmap p0 0 8 rw
mlock p0 0 8 on
migrate p0 0 8 d0
read p0 0
mprotect p0 0 1 r
