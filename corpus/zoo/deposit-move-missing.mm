# deposit-move-missing: a huge entry that moves leaves its page table with the old table. Pages 23
# and 24 of the window lie in different tables of the level above.
thp always
mmap p0 24 8 rw
read p0 24
mremap p0 24 8 8 8 fixed
