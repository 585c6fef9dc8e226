# zeropage-remap-lost-bits (9658d698a8a8): an entry that gets another page loses soft-dirty and
# uffd-wp (here: when an unshare copies the page).
# The pin unshares a page that a fork shares, and its entry loses soft-dirty.
mmap p0 0 1 rw
write p0 0
fork p0
pin p0 0 r
