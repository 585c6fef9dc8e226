# amdkfd-hole-migration (CVE-2026-89810): when an allocation fails half way, the driver forgets the destinations that it has already.
mmap p0 0 2 rw
fail device-page 2
migrate p0 0 2 d0
