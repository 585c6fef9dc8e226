# stale-mapping-after-free-swap (CVE-2026-89755): migration reads the source's mapping before the
# source leaves the swap cache, and so puts the device page into the slot that the source has left.
# The page is exclusive and in the swap cache when it migrates.
mmap p0 0 1 rw
write p0 0
reclaim p0 0
read p0 0
migrate p0 0 1 d0
