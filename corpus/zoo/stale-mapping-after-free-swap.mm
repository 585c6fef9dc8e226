# stale-mapping-after-free-swap (CVE-2026-89755): migration looks up the source's place in the
# swap cache, then removes the source from there, and still puts the device page into that place.
# The page is exclusive and in the swap cache when it migrates.
mmap p0 0 1 rw
write p0 0
reclaim p0 0
read p0 0
migrate p0 0 1 d0
