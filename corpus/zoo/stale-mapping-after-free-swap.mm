# stale-mapping-after-free-swap (CVE-2026-89755): a page that left the swap cache on its way to a
# device is put into its old slot again, because migration read its mapping before it left.
# The page is exclusive and in the swap cache when it migrates.
mmap p0 0 1 rw
write p0 0
reclaim p0 0
read p0 0
migrate p0 0 1 d0
