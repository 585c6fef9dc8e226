# uprobe-pte-overwritten (2b12d06c37fd): a page is mapped at the destination before the entries
# arrive, and one of them overwrites it.
# The page moves away and comes back. Its VMA grows over the old address, and the model maps a new
# page there, as a uprobe does. The entry that comes back overwrites that page's entry.
mmap p0 0 2 rw
write p0 1
mremap p0 1 1 8 1 fixed
mremap p0 8 1 1 1 fixed
