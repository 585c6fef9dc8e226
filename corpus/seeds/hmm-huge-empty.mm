# migrate_anon_huge_empty: an untouched huge range becomes a huge page of the device.
thp always
mmap p0 0 16 rw
migrate p0 0 16 d0
dev-read d0 p0 3
read p0 3
read p0 9
