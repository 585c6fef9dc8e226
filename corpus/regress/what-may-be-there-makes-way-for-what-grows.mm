# The reference model kept two pages at one address: a call that failed may have mapped it, and an area grew over it later.
mmap p0 0 2 none
mremap p0 2 2 4 2 fixed
mremap p0 1 1 0 4 stay
