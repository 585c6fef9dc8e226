# amdkfd-hole-migration (CVE-2026-89810): if an allocation fails half way, the driver forgets the
# destinations that it already has.
# The second device page cannot be allocated, and the first one stays locked.
mmap p0 0 2 rw
fail device-page 2
migrate p0 0 2 d0
