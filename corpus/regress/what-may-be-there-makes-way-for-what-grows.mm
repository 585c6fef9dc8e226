# The reference model kept two pages at one address: one that a failed call may have mapped there,
# and one of a VMA that grew over it later.
mmap p0 0 2 none
mremap p0 2 2 4 2 fixed
mremap p0 1 1 0 4 stay
