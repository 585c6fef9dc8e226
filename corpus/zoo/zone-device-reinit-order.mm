# zone-device-reinit-order (12b2285bf3d1): pages of a freed huge device page stay its tails when
# they are used again. The rest of the device is full, so the last migration reuses pages of the
# freed huge page.
thp always
mmap p0 0 32 rw
migrate p0 0 8 d0
migrate p0 8 8 d0
migrate p0 16 8 d0
migrate p0 24 8 d0
dontneed p0 0 8
migrate p0 0 2 d0
