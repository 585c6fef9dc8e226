# mremap-uffdwp-left (0cef0bb836e3): entries keep uffd-wp when they move out of a registered VMA.
# The page arrives write-protected in a VMA that is not registered.
mmap p0 0 1 rw
write p0 0
uffd-register p0 0 1
uffd-wp p0 0 1 on
mremap p0 0 1 8 1 fixed
