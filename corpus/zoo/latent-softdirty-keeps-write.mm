# A page on a device stays writable when soft-dirty is cleared, and what is written to it then is not seen.
mmap p0 0 1 rw
migrate p0 0 1 d0
clear-soft-dirty p0
