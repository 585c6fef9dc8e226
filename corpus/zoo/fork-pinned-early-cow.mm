# fork-pinned-early-cow (70e806e4e645): fork shares a pinned page, so the next write copies the page
# and the pin keeps the old one.
# The program ends with the fork: the page is pinned and no longer exclusive.
mmap p0 0 1 rw
pin p0 0 w
fork p0
